import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import type { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Client } from "../../src/rpc/client.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { BrokerProcess } from "./broker-process.js";
import { compilePreload } from "./preload.js";

type BrokerClient = Client<typeof BrokerService>;

const slowSyncMs = 5;
const maxLoopDelayMs = 20;
const senders = 4;
const sendsEach = 200;

test(
  "a disk that is slow to sync holds up its senders and nobody else",
  { timeout: 90_000 },
  async (context) => {
    const preload = compilePreload("slow-sync", temporaryDirectory());
    if ("impossible" in preload) return context.skip(preload.impossible);
    const fast = await measure(preload.path, 0);
    const slow = await measure(preload.path, slowSyncMs);
    console.info(`milliseconds: fast disk ${JSON.stringify(fast)}, slow ${JSON.stringify(slow)}`);
    expect(slow.send).toBeGreaterThan(slowSyncMs);
    expect(slow.lookup).toBeLessThan(slow.send);
    // On a busy machine every loop is late, whatever the disk.
    expect(slow.loopDelay).toBeLessThan(Math.max(maxLoopDelayMs, 2 * fast.loopDelay));
  },
);

/** Milliseconds: the 99th percentile of the loop's delay, the medians of the calls. */
interface Figures {
  readonly loopDelay: number;
  readonly send: number;
  readonly lookup: number;
}

/** A broker under load whose every sync takes so much longer. */
async function measure(preload: string, syncDelayMs: number): Promise<Figures> {
  const folder = temporaryDirectory();
  const report = join(folder, "loop-delay");
  const broker = await BrokerProcess.start(join(folder, "home"), {
    LD_PRELOAD: preload,
    FAULT_SYNC_DELAY_US: String(syncDelayMs * 1000),
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "measure-loop.mjs")).href}`,
    FAULT_LOOP_REPORT: report,
  });
  const reader = await broker.join("reader");
  await broker.join("recipient");
  const names = Array.from({ length: senders }, (_, index) => `sender-${index}`);
  const clients = await Promise.all(names.map((name) => broker.join(name)));

  broker.signal("SIGUSR2");
  const sends = Promise.all(clients.map(sendMany));
  const lookups = await lookUpUntil(reader, sends);
  const took = (await sends).flat();
  expect(await broker.end("SIGTERM")).toBe(0);
  const loopDelay = Number(readFileSync(report, "utf8"));
  return { loopDelay, send: median(took), lookup: median(lookups) };
}

async function sendMany(sender: BrokerClient): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < sendsEach; index += 1) {
    took.push(await time(() => sender.sendMessage({ to: ["recipient"], text: randomUUID() })));
  }
  return took;
}

/** What another peer asks for meanwhile, now and then. */
async function lookUpUntil(reader: BrokerClient, sends: Promise<unknown>): Promise<number[]> {
  const ended = new AbortController();
  void sends.finally(() => ended.abort());
  const took: number[] = [];
  while (!ended.signal.aborted) {
    took.push(await time(() => reader.listPeers({})));
    await sleep(5);
  }
  return took;
}

async function time(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await call();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
