import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import type { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, type Client } from "../../src/rpc/client.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { BrokerProcess } from "./broker-process.js";
import { compilePreload } from "./preload.js";

type BrokerClient = Client<typeof BrokerService>;

const timeoutMs = 90_000;
const senders = 4;

test(
  "a sync that hangs holds up those who wait for the disk, and not the loop",
  { timeout: timeoutMs },
  async (context) => {
    const preload = compilePreload("slow-sync", temporaryDirectory());
    if ("impossible" in preload) return context.skip(preload.impossible);
    const syncDelayMs = 400;
    const figures = await measure({ preload: preload.path, syncDelayMs, sendsEach: 6 });
    expect(figures.send).toBeGreaterThan(syncDelayMs);
    expect(figures.ask).toBeLessThan(syncDelayMs / 2);
    expect(figures.loopDelay).toBeLessThan(syncDelayMs / 2);
  },
);

test(
  "a disk that is slow to sync leaves the broker's loop prompt",
  { timeout: timeoutMs },
  async (context) => {
    const preload = compilePreload("slow-sync", temporaryDirectory());
    if ("impossible" in preload) return context.skip(preload.impossible);
    const fast = await measure({ preload: preload.path, syncDelayMs: 0, sendsEach: 150 });
    const slow = await measure({ preload: preload.path, syncDelayMs: 5, sendsEach: 150 });
    console.info(`milliseconds: fast disk ${JSON.stringify(fast)}, slow ${JSON.stringify(slow)}`);
    // On a busy machine every loop is late, whatever the disk.
    expect(slow.loopDelay).toBeLessThan(Math.max(20, 2 * fast.loopDelay));
  },
);

/** Milliseconds: the 99th percentile of the loop's delay, the medians of the calls. */
interface Figures {
  readonly loopDelay: number;
  readonly send: number;
  readonly ask: number;
}

/** A broker under load whose every sync takes so much longer. */
async function measure(options: {
  preload: string;
  syncDelayMs: number;
  sendsEach: number;
}): Promise<Figures> {
  const { preload, syncDelayMs, sendsEach } = options;
  const folder = temporaryDirectory();
  const report = join(folder, "loop-delay");
  const broker = await BrokerProcess.start(join(folder, "home"), {
    LD_PRELOAD: preload,
    FAULT_SYNC_DELAY_US: String(syncDelayMs * 1000),
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "measure-loop.mjs")).href}`,
    FAULT_LOOP_REPORT: report,
  });
  const other = createClient(Health, broker.connect());
  await broker.join("recipient");
  const names = Array.from({ length: senders }, (_, index) => `sender-${index}`);
  const clients = await Promise.all(names.map((name) => broker.join(name)));

  broker.signal("SIGUSR2");
  const sends = Promise.all(clients.map((client) => sendMany(client, sendsEach)));
  const asked = await askUntil(other, sends);
  const took = (await sends).flat();
  expect(await broker.end("SIGTERM")).toBe(0);
  const loopDelay = Number(readFileSync(report, "utf8"));
  return { loopDelay, send: median(took), ask: median(asked) };
}

async function sendMany(sender: BrokerClient, count: number): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < count; index += 1) {
    took.push(await time(() => sender.sendMessage({ to: ["recipient"], text: randomUUID() })));
  }
  return took;
}

/** What needs no disk is asked for meanwhile, now and then. */
async function askUntil(other: Client<typeof Health>, sends: Promise<unknown>): Promise<number[]> {
  const ended = new AbortController();
  void sends.finally(() => ended.abort());
  const took: number[] = [];
  while (!ended.signal.aborted) {
    took.push(await time(() => other.check({})));
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
