import { connect } from "@nats-io/transport-node";
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";
import { startNatsCluster } from "./nats-cluster.js";
import { isNatsMissing } from "./nats-programs.js";
import { eventually } from "./test-broker.js";

test.skipIf(isNatsMissing())(
  "three NATS servers take what is published when the leader was killed, and have all of it when all were",
  async () => {
    await using cluster = await startNatsCluster();
    const connection = await connect({
      ...cluster.clientOptions,
      reconnectTimeWait: 50,
      maxReconnectAttempts: -1,
    });
    onTestFinished(() => connection.close());
    const manager = await jetstreamManager(connection);
    const storage = StorageType.File;
    await manager.streams.add({ name: "s", subjects: ["s.>"], num_replicas: 3, storage });
    const client = jetstream(connection, { timeout: 1000 });
    await client.publish("s.one", "before");

    const leader = await cluster.leaderOf("s");
    await leader.kill();
    await eventually(() => client.publish("s.two", "after"));
    const next = await cluster.leaderOf("s");
    expect(next).not.toBe(leader);

    await cluster.killAll();
    expect(cluster.members.map(({ isRunning }) => isRunning)).toEqual([false, false, false]);
    await cluster.restartAll();
    const kept = await eventually(() => manager.streams.getMessage("s", { last_by_subj: "s.two" }));
    expect(kept?.string()).toBe("after");
  },
);
