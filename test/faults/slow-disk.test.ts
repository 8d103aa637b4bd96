import { randomUUID } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient } from "../../src/rpc/client.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { eventually, newSecret } from "../support/test-broker.js";
import { BrokerProcess } from "./broker-process.js";
import { type Figures, LoadedBroker } from "./loaded-broker.js";
import { compilePreload } from "./preload.js";

const timeoutMs = 120_000;

test("a sync that hangs holds up those who wait for the disk, and not the loop", async (context) => {
  const preload = compilePreload("slow-sync", temporaryDirectory());
  if ("impossible" in preload) return context.skip(preload.impossible);
  const { disk, join: joinBroker } = await startOnHeldDisk(preload.path);
  const { client, health } = await joinBroker("sender");
  disk.hold();
  let isStored = false;
  const sent = client.sendMessage({ to: ["sender"], text: "hello" }).then(() => (isStored = true));
  await disk.waits();
  for (let call = 0; call < 100; call += 1) await health.check({});
  expect(isStored).toBe(false);
  disk.release();
  await sent;
});

test("a disk that is slow costs other peers a sync or two", async (context) => {
  const preload = compilePreload("slow-sync", temporaryDirectory());
  if ("impossible" in preload) return context.skip(preload.impossible);
  const { disk, join: joinBroker } = await startOnHeldDisk(preload.path);
  const recipient = await joinBroker("recipient");
  const names = Array.from({ length: 4 }, (_, index) => `sender-${index}`);
  const senders = await Promise.all(names.map(joinBroker));
  const other = await joinBroker("other");
  const over = new AbortController();
  disk.hold();
  const load = senders.map(async ({ client }) => {
    while (!over.signal.aborted)
      await client.sendMessage({ to: ["recipient"], text: randomUUID() });
  });
  const syncsOf = async (call: () => Promise<unknown>): Promise<number> => {
    await disk.waits();
    let isAnswered = false;
    const answer = call().then(() => (isAnswered = true));
    let syncs = 0;
    for (; ; syncs += 1) {
      // What was answered before these has come before them.
      for (let turn = 0; turn < 3; turn += 1) await other.health.check({});
      if (isAnswered) break;
      await disk.pass();
      await eventually(() => expect(isAnswered || disk.isWaitedFor()).toBe(true));
    }
    await answer;
    return syncs;
  };
  const { client } = other;
  // The store answers in turn: a read waits for the commit under way, a send for its own besides.
  expect(await syncsOf(() => client.listPeers({})), "listPeers").toBeLessThanOrEqual(2);
  expect(await syncsOf(() => client.getServerInfo({})), "getServerInfo").toBeLessThanOrEqual(2);
  const send = () => client.sendMessage({ to: ["other"], text: "hello" });
  expect(await syncsOf(send), "sendMessage").toBeLessThanOrEqual(2);
  over.abort();
  disk.release();
  await Promise.all(load);
  const { records } = await recipient.client.listMessages({});
  expect(records.length).toBeGreaterThan(0);
});

/** A broker whose disk the test holds: a sync waits until it is let pass, or the disk is released. */
async function startOnHeldDisk(preload: string) {
  const folder = temporaryDirectory();
  const held = join(folder, "held");
  const environment = { LD_PRELOAD: preload, FAULT_SYNC_HELD: held };
  const broker = await BrokerProcess.start(join(folder, "home"), environment);
  onTestFinished(() => rmSync(held, { force: true }));
  const isWaitedFor = () => existsSync(`${held}.waits`);
  const disk = {
    isWaitedFor,
    hold: () => writeFileSync(held, ""),
    release: () => rmSync(held),
    waits: () => eventually(() => expect(isWaitedFor()).toBe(true)),
    async pass(): Promise<void> {
      writeFileSync(`${held}.pass`, "");
      await eventually(() => expect(existsSync(`${held}.pass`)).toBe(false));
    },
  };
  const joinBroker = async (name: string) => {
    const channel = broker.connect();
    let token = "";
    const client = createClient(BrokerService, channel, {
      headers: () => (token === "" ? {} : { authorization: `Bearer ${token}` }),
    });
    token = (await client.register({ secret: newSecret(), name })).sessionToken;
    return { client, health: createClient(Health, channel) };
  };
  return { disk, join: joinBroker };
}

// In figures, which depend on what else the machine does: on demand alone.
test.runIf(process.env["PEERLINE_SLOW_DISK"] === "1")(
  "a disk that is slow to sync leaves the broker's loop prompt, in milliseconds",
  { timeout: timeoutMs },
  async (context) => {
    const preload = compilePreload("slow-sync", temporaryDirectory());
    if ("impossible" in preload) return context.skip(preload.impossible);
    const syncDelayMs = 5;
    const fast = await LoadedBroker.start({ preload: preload.path, syncDelayMs: 0 });
    const slow = await LoadedBroker.start({ preload: preload.path, syncDelayMs });
    // In turns: what else the machine does then disturbs both alike.
    for (let round = 0; round < rounds; round += 1) {
      await fast.round(sendsEach);
      await slow.round(sendsEach);
    }
    const [onFast, onSlow] = [await fast.end(), await slow.end()];
    console.info(`fast disk: ${show(onFast)}\nslow disk: ${show(onSlow)}`);

    // On a busy machine every loop is late, whatever the disk.
    expect(onSlow.loopDelayMs).toBeLessThan(Math.max(20, 2 * onFast.loopDelayMs));
    // The store answers in turn: a read waits for the commit under way, a send for its own besides.
    for (const call of ["listPeers", "getServerInfo", "sendMessage"] as const) {
      const [fastMs, slowMs] = [onFast.callMs[call], onSlow.callMs[call]];
      expect(slowMs.median, call).toBeLessThan(2 * fastMs.median + 3 * syncDelayMs);
      expect(slowMs.p99, call).toBeLessThan(3 * fastMs.p99 + 10 * syncDelayMs);
    }
  },
);

const rounds = 6;
const sendsEach = 40;

function show({ loopDelayMs, callMs }: Figures): string {
  const calls = Object.entries(callMs).map(
    ([name, { median, p99, calls: count }]) =>
      `${name} ${median.toFixed(1)} / ${p99.toFixed(1)} (${count})`,
  );
  return `loop delay p99 ${loopDelayMs.toFixed(1)} ms; calls p50 / p99 ms (count): ${calls.join(", ")}`;
}
