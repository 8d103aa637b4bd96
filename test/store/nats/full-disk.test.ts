import { execFileSync } from "node:child_process";
import { DiscardPolicy, StorageType } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { Publisher, type PublishOutcome } from "../../../src/store/nats/publish.js";
import type { NatsCluster } from "../../support/nats-cluster.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import type { NatsServer } from "../../support/nats-server.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster } from "./open-link.js";

const stream = "s";
const payload = Buffer.alloc(10_000);

// 2.10 refuses for its own disk what its followers store; then it leaves.
test.skipIf(isNatsMissing("2.10"))(
  "the full disk of a stream's leader refuses nothing that the others have room for",
  async (context) => {
    const cluster = await startCluster({ version: "2.10" });
    const [poor] = cluster.members;
    if (poor === undefined || !(await giveSmallDisk(poor))) {
      return context.skip("mounting a file system is not permitted here");
    }
    await cluster.waitReady();
    const link = await openLink(optionsFor(cluster));
    await addStreamOn(poor, cluster);
    const publisher = new Publisher({ link, clock: systemClock });
    onTestFinished(() => publisher[Symbol.asyncDispose]());
    const outcomes: PublishOutcome[] = [];
    for (let index = 0; index < 500; index++) {
      const outcome = await publisher.publish({
        stream,
        subject: `s.${index}`,
        payload,
        expect: { lastSubjectSeq: 0 },
        deadlineMs: 60_000,
      });
      outcomes.push(outcome);
    }
    expect(await cluster.leaderOf(stream)).not.toBe(poor);
    expect(outcomes.filter(({ state }) => state !== "stored")).toEqual([]);
    const { state } = await eventually(() => link.manager.streams.info(stream));
    expect(state.messages).toBe(outcomes.length);
  },
);

/** Restarts a server on a disk of 8 MiB; false where nothing can be mounted. */
async function giveSmallDisk(server: NatsServer): Promise<boolean> {
  await server.stop();
  try {
    const options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", server.storeFolder];
    execFileSync("mount", options, { stdio: "pipe" });
  } catch {
    return false;
  }
  onTestFinished(async () => {
    await server.kill();
    execFileSync("umount", ["--lazy", server.storeFolder]);
  });
  await server.restart();
  return true;
}

/** A stream on all servers, with this one as its leader: they draw lots. */
async function addStreamOn(leader: NatsServer, cluster: NatsCluster): Promise<void> {
  const { streams } = (await openLink(optionsFor(cluster))).manager;
  const config = { name: stream, subjects: ["s.>"], num_replicas: 3, storage: StorageType.File };
  for (;;) {
    await eventually(() => streams.add({ ...config, discard: DiscardPolicy.New }));
    if ((await cluster.leaderOf(stream)) === leader) return;
    await eventually(() => streams.delete(stream));
  }
}
