import { describe, test } from "vitest";
import { keepaliveTimeMs, keepaliveTimeoutMs } from "../../src/rpc/limits.js";
import { startBrokerHome } from "../support/program.js";
import { cannotRead, readProcess } from "../support/process-reading.js";
import { eventually } from "../support/test-broker.js";
import { sendFromCrowd } from "./crowd.js";
import { SubscriberProcess } from "./subscriber-process.js";
import { defectsIn, Witness } from "./witness.js";

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * Memory that the broker may take while 64 MiB wait for a stuck reader. It is compared with a broker that stored
 * as much for a peer that is away. The broker holds none of these messages: encoded once, they would be 64 MiB.
 */
const maxGrowthMiB = 48;

describe.concurrent("a reader that is stuck", () => {
  test.skipIf(cannotRead !== undefined)(
    "holds up nobody and takes no memory while its queue fills; continued, it gets all of it",
    { timeout: 600_000 },
    async ({ expect, onTestFinished }) => {
      const home = await startBrokerHome();
      onTestFinished(() => home[Symbol.asyncDispose]());
      const reader = await SubscriberProcess.start(home, {
        name: "stuck",
        credit: 64,
        manner: "confirms",
      });
      onTestFinished(() => reader[Symbol.asyncDispose]());
      using witness = await Witness.join(home.socket);
      const { pid } = await witness.client.getServerInfo({});
      const usualMs = await witness.medianSendMs(50);
      const load = { messages: 10_000, bytes: 10 * KiB };
      const absent = { name: "absent", credit: 1, manner: "silent" } as const;
      await (await SubscriberProcess.start(home, absent))[Symbol.asyncDispose]();
      await sendFromCrowd(home.socket, "absent", load);
      const before = readProcess(pid);

      reader.signal("SIGSTOP");
      const { accepted, full } = await sendFromCrowd(home.socket, "stuck", load);
      const after = readProcess(pid);
      const besideMs = await witness.medianSendMs(50);

      expect(accepted.size + full).toBe(load.messages);
      expect(full).toBeGreaterThan(0);
      // What is left is kept for others than the crowd.
      expect(accepted.size * load.bytes).toBeGreaterThan(48 * MiB);
      expect(accepted.size * load.bytes).toBeLessThanOrEqual(64 * MiB);
      // What has become garbage may still be there for a while: memory that is held stays.
      await eventually(async () => {
        await witness.send();
        expect(readProcess(pid).rssMiB - before.rssMiB).toBeLessThan(maxGrowthMiB);
      });
      console.log(
        `stuck: ${accepted.size} messages wait, ${full} were refused; the broker has ${before.rssMiB.toFixed(0)} MiB before and ${after.rssMiB.toFixed(0)} MiB after; a send of another peer takes ${usualMs.toFixed(1)} ms before and ${besideMs.toFixed(1)} ms beside`,
      );

      reader.signal("SIGCONT");
      await eventually(() => expect(reader.delivered.size).toBe(accepted.size), 120_000);
      expect([...accepted].filter((word) => !reader.delivered.has(word))).toEqual([]);
      await witness.expectAllKept();
      expect(await defectsIn(home.path)).toEqual([]);
    },
  );

  test("that never reports is handed its credit and no more, and told what waits", async ({
    expect,
    onTestFinished,
  }) => {
    const home = await startBrokerHome();
    onTestFinished(() => home[Symbol.asyncDispose]());
    const reader = await SubscriberProcess.start(home, {
      name: "stuck",
      credit: 8,
      manner: "silent",
    });
    onTestFinished(() => reader[Symbol.asyncDispose]());
    using witness = await Witness.join(home.socket);
    await sendFromCrowd(home.socket, "stuck", { messages: 100, bytes: 10 * KiB });
    await witness.send();
    await eventually(() => expect(reader.delivered.size).toBe(8));
    const { peers } = await witness.client.listPeers({});
    expect(peers.find(({ name }) => name === "stuck")?.waitingMessages).toBe(100n);
  });

  test(
    "for longer than keepalive waits is taken for lost; continued, it comes back by itself and misses nothing",
    { timeout: 600_000 },
    async ({ expect, onTestFinished }) => {
      const home = await startBrokerHome();
      onTestFinished(() => home[Symbol.asyncDispose]());
      const reader = await SubscriberProcess.start(home, {
        name: "stuck",
        credit: 8,
        manner: "confirms",
      });
      onTestFinished(() => reader[Symbol.asyncDispose]());
      using witness = await Witness.join(home.socket);
      const isOnline = async (): Promise<boolean | undefined> => {
        const { peers } = await witness.client.listPeers({});
        return peers.find(({ name }) => name === "stuck")?.online;
      };
      expect(await isOnline()).toBe(true);

      reader.signal("SIGSTOP");
      const load = { messages: 40, bytes: 10 * KiB };
      const { accepted } = await sendFromCrowd(home.socket, "stuck", load);
      const lostMs = keepaliveTimeMs + keepaliveTimeoutMs;
      await eventually(async () => expect(await isOnline()).toBe(false), lostMs + 60_000);

      reader.signal("SIGCONT");
      await eventually(() => expect(reader.delivered).toEqual(accepted));
      await eventually(async () => expect(await isOnline()).toBe(true));
    },
  );
});
