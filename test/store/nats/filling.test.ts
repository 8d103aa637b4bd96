import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { beginFilling, endFilling } from "../../../src/store/nats/filling.js";
import { openStreams, streamNames, type StreamsOptions } from "../../../src/store/nats/streams.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { openLink, optionsFor, startServer } from "./open-link.js";

const begun = "on a Friday";
const { mail, peers } = streamNames("peerline");

async function openEngine(): Promise<StreamsOptions> {
  const nats = optionsFor(await startServer());
  return { link: await openLink(nats), clock: systemClock, nats, mailBytes: 2 ** 26 };
}

describe.skipIf(isNatsMissing())("streams that a move fills", () => {
  test("are refused to brokers until it has ended", async () => {
    const options = await openEngine();
    await beginFilling(options, { again: false, begun });
    await expect(openStreams(options)).rejects.toMatchObject({
      code: "CONFLICT",
      message: `The stream ${mail} of JetStream holds what a move has brought that began ${begun} and did not end. Where it does not run any more, run \`peerline migrate\` again from the same home, with --again.`,
    });
    await endFilling(options);
    await openStreams(options);
    const { config } = await options.link.manager.streams.info(mail);
    expect(config.metadata).toMatchObject({ "peerline.schema": "1" });
    expect(Object.keys(config.metadata ?? {})).not.toContain("peerline.filling");
  });

  test("are emptied where it was interrupted, and only when that is asked for", async () => {
    const options = await openEngine();
    await beginFilling(options, { again: false, begun });
    await options.link.connection.request("peerline.peers.peer.x", "by half");
    const refused = beginFilling(options, { again: false, begun });
    await expect(refused).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await options.link.manager.streams.info(peers)).state.messages).toBe(1);
    await beginFilling(options, { again: true, begun });
    expect((await options.link.manager.streams.info(peers)).state.messages).toBe(0);
    await endFilling(options);
  });

  test("are never emptied where a broker has filled them", async () => {
    const options = await openEngine();
    await openStreams(options);
    await options.link.connection.request("peerline.peers.peer.x", "of a broker");
    for (const again of [false, true]) {
      await expect(beginFilling(options, { again, begun })).rejects.toMatchObject({
        code: "CONFLICT",
        message: `What is to be filled is not empty, in JetStream: ${peers} (1 records). Set another prefix in [nats] of broker.toml, or remove these streams with \`nats stream rm\`.`,
      });
    }
    await openStreams(options);
    expect((await options.link.manager.streams.info(peers)).state.messages).toBe(1);
  });

  test("are not taken from a broker that serves them", async () => {
    const options = await openEngine();
    await openStreams(options);
    await options.link.manager.consumers.add(mail, { name: "a-gateway" });
    const refused = beginFilling(options, { again: false, begun });
    await expect(refused).rejects.toThrow(`A broker serves the stream ${mail} of JetStream`);
    await openStreams(options);
  });
});
