import { StorageType } from "@nats-io/jetstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { Follower, replay } from "../../../src/store/nats/follow.js";
import { Publisher } from "../../../src/store/nats/publish.js";
import type { NatsCluster } from "../../support/nats-cluster.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

const stream = "s";

describe.skipIf(isNatsMissing())("a follower of a stream", () => {
  test("hears on when the server with its consumer is gone for good", async () => {
    const { cluster, told, publish } = await follow();
    await publish();
    await eventually(() => expect(told).toEqual([1]));
    const holder = await holderOf(cluster);
    await holder.kill();
    await publish();
    await eventually(() => expect(told).toEqual([1, 2]));
    await publish();
    await eventually(() => expect(told).toEqual([1, 2, 3]));
  });

  test("hears each message once, and in order, when all servers were killed", async () => {
    const { cluster, told, publish } = await follow();
    await publish();
    const under = [publish(), publish(), publish()];
    await cluster.killAll();
    await cluster.restartAll();
    await Promise.all(under);
    await publish();
    await eventually(() => expect(told).toEqual([1, 2, 3, 4, 5]));
  });
});

test.skipIf(isNatsMissing())("a follower leaves no consumer behind", async () => {
  const link = await openLink(optionsFor(await startServer()));
  const { streams, consumers } = link.manager;
  await streams.add({ name: stream, subjects: ["s.>"] });
  await link.manager.jetstream().publish("s.one", "");
  const told: number[] = [];
  await replay({ link, stream, after: 0 }, ({ seq }) => told.push(seq));
  const follower = new Follower({ link, stream, after: 0 }, ({ seq }) => told.push(seq), {
    onTrouble: () => undefined,
  });
  await eventually(() => expect(told).toEqual([1, 1]));
  const configs = await eventually(async () => {
    const list = await consumers.list(stream).next();
    expect(list).toHaveLength(1);
    return list.map(({ config }) => config);
  });
  // One that cannot be removed, as the connection was lost, ends soon.
  expect(configs).toMatchObject([{ inactive_threshold: 10e9 }]);
  await follower[Symbol.asyncDispose]();
  await eventually(async () => {
    expect((await streams.info(stream)).state.consumer_count).toBe(0);
  });
});

/** A stream on three servers, with a follower that notes what it is told. */
async function follow() {
  const cluster = await startCluster();
  const link = await openLink(optionsFor(cluster));
  const config = { name: stream, subjects: ["s.>"], num_replicas: 3, storage: StorageType.File };
  await eventually(() => link.manager.streams.add({ ...config, max_msgs_per_subject: 1 }));
  const publisher = new Publisher({ link, clock: systemClock });
  const told: number[] = [];
  const follower = new Follower({ link, stream, after: 0 }, ({ seq }) => told.push(seq), {
    onTrouble: () => undefined,
  });
  onTestFinished(async () => {
    await follower[Symbol.asyncDispose]();
    await publisher[Symbol.asyncDispose]();
  });
  let count = 0;
  const publish = async (): Promise<void> => {
    const subject = `s.${++count}`;
    const payload = Buffer.from("text");
    // More than an election takes.
    const outcome = await publisher.publish({
      stream,
      subject,
      payload,
      deadlineMs: 60_000,
      expect: { lastSubjectSeq: 0 },
    });
    expect(outcome).toMatchObject({ state: "stored" });
  };
  return { cluster, told, publish };
}

/** The member that has the stream's only consumer. */
async function holderOf(cluster: NatsCluster) {
  const { manager } = await openLink(optionsFor(cluster));
  return eventually(async () => {
    const consumers = await manager.consumers.list(stream).next();
    const name = consumers[0]?.cluster?.leader;
    const holder = cluster.members.find((member) => member.name === name);
    if (holder === undefined) throw new Error("nobody has the consumer");
    return holder;
  });
}
