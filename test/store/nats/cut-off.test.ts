import { StorageType } from "@nats-io/jetstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { Publisher } from "../../../src/store/nats/publish.js";
import type { NatsCluster } from "../../support/nats-cluster.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import type { NatsServer } from "../../support/nats-server.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster } from "./open-link.js";

const stream = "s";
const payload = Buffer.from("text");

describe.skipIf(isNatsMissing())("a server that is cut off from the others", () => {
  test("is left by gateways for one that is not", async () => {
    const cluster = await startCluster({ isDivisible: true });
    const link = await openLink(optionsFor(cluster));
    await addStream(cluster);
    const left = serverOf(cluster, link.connection.getServer());
    const states: string[] = [];
    link.watch((state) => states.push("problem" in state ? state.problem : state.state));
    cluster.isolate(left);
    await eventually(() => expect(states).toContain("connected"));
    expect(states).toContain("The NATS server reaches no majority of the others.");
    expect(serverOf(cluster, link.connection.getServer())).not.toBe(left);
    const publisher = new Publisher({ link, clock: systemClock });
    onTestFinished(() => publisher[Symbol.asyncDispose]());
    expect(await publisher.publish({ stream, subject: "s.a", payload })).toMatchObject({
      state: "stored",
    });
  });

  test.skipIf(isNatsMissing("newest"))(
    "does not say whose message it will be, while it has another one under way",
    async () => {
      const cluster = await startCluster({ isDivisible: true, version: "newest" });
      await addStream(cluster);
      const leader = await cluster.leaderOf(stream);
      const link = await openLink(optionsFor(leader));
      const publisher = new Publisher({ link, clock: systemClock });
      onTestFinished(() => publisher[Symbol.asyncDispose]());
      const publish = () =>
        publisher.publish({
          stream,
          subject: "s.a",
          payload,
          expect: { lastSubjectSeq: 0 },
          deadlineMs: 1000,
        });
      cluster.isolate(leader);
      expect(await publish()).toMatchObject({ state: "unavailable" });
      expect(await publish()).toMatchObject({ state: "unavailable" });
      // Once they agree, the first one may be stored after all.
      cluster.heal();
      await eventually(async () =>
        expect(["stored", "conflict"]).toContain((await publish()).state),
      );
      const { subjects } = (await link.manager.streams.info(stream, { subjects_filter: ">" }))
        .state;
      expect(subjects).toEqual({ "s.a": 1 });
    },
  );
});

/** A stream with a copy on each server. */
async function addStream(cluster: NatsCluster): Promise<void> {
  const { manager } = await openLink(optionsFor(cluster));
  const config = { name: stream, subjects: ["s.>"], num_replicas: 3, storage: StorageType.File };
  await eventually(() => manager.streams.add({ ...config, max_msgs_per_subject: 1 }));
}

function serverOf({ members }: NatsCluster, address: string): NatsServer {
  const found = members.find(({ port }) => address.endsWith(`:${port}`));
  if (found === undefined) throw new Error(`no member is at ${address}`);
  return found;
}
