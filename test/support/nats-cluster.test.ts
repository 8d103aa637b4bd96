import { connect, type NatsConnection } from "@nats-io/transport-node";
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { startNatsCluster, type NatsClusterOptions } from "./nats-cluster.js";
import { isNatsMissing } from "./nats-programs.js";
import { eventually } from "./test-broker.js";

describe.skipIf(isNatsMissing())("three NATS servers of a test", () => {
  test("take what is published when the leader was killed, and have all of it when all were", async () => {
    const { cluster, connectTo } = await start();
    const connection = await connectTo(cluster.urls);
    const client = jetstream(connection, { timeout: 1000 });
    const leader = await cluster.leaderOf("s");
    await leader.kill();
    await eventually(() => client.publish("s.one", "after"));
    expect(await cluster.leaderOf("s")).not.toBe(leader);

    await cluster.killAll();
    expect(cluster.members.map(({ isRunning }) => isRunning)).toEqual([false, false, false]);
    await cluster.restartAll();
    expect(await lastOf(connection, "s.one")).toBe("after");
  });

  test("go on as two when the leader is cut off, which stores nothing by itself", async () => {
    const { cluster, connectTo } = await start({ isDivisible: true });
    const leader = await cluster.leaderOf("s");
    const [other] = cluster.members.filter((member) => member !== leader);
    const alone = await connectTo([leader.url]);
    const together = await connectTo([other?.url ?? ""]);
    cluster.isolate(leader);
    const lost = jetstream(alone, { timeout: 500 }).publish("s.two", "alone");
    await expect(lost).rejects.toThrow();
    await eventually(() => jetstream(together, { timeout: 1000 }).publish("s.one", "together"));

    cluster.heal();
    await cluster.waitReady();
    expect(await lastOf(alone, "s.one")).toBe("together");
    expect(await lastOf(alone, "s.two")).toBeUndefined();
  });
});

/** A cluster that keeps the stream "s" three times; it ends with the test. */
async function start(options: NatsClusterOptions = {}) {
  const cluster = await startNatsCluster(options);
  onTestFinished(() => cluster[Symbol.asyncDispose]());
  const connectTo = async (servers: readonly string[]): Promise<NatsConnection> => {
    const connection = await connect({
      ...cluster.clientOptions,
      servers: [...servers],
      ignoreClusterUpdates: true,
      reconnectTimeWait: 50,
      maxReconnectAttempts: -1,
    });
    onTestFinished(() => connection.close());
    return connection;
  };
  const manager = await jetstreamManager(await connectTo(cluster.urls), { timeout: 1000 });
  const storage = StorageType.File;
  await eventually(() =>
    manager.streams.add({ name: "s", subjects: ["s.>"], num_replicas: 3, storage }),
  );
  return { cluster, connectTo };
}

/** What the stream "s" has last on this subject. */
async function lastOf(connection: NatsConnection, subject: string): Promise<string | undefined> {
  const message = await eventually(async () => {
    const manager = await jetstreamManager(connection, { timeout: 1000 });
    return manager.streams.getMessage("s", { last_by_subj: subject });
  });
  return message?.string();
}
