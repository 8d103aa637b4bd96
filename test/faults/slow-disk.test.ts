import { expect, test } from "vitest";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { type Figures, LoadedBroker } from "./loaded-broker.js";
import { compilePreload } from "./preload.js";

const timeoutMs = 120_000;

test(
  "a sync that hangs holds up those who wait for the disk, and not the loop",
  { timeout: timeoutMs },
  async (context) => {
    const preload = compilePreload("slow-sync", temporaryDirectory());
    if ("impossible" in preload) return context.skip(preload.impossible);
    const syncDelayMs = 400;
    const broker = await LoadedBroker.start({ preload: preload.path, syncDelayMs });
    await broker.round(6);
    const { loopDelayMs, callMs } = await broker.end();
    expect(callMs.load.median).toBeGreaterThan(syncDelayMs);
    expect(callMs.health.median).toBeLessThan(syncDelayMs / 2);
    expect(loopDelayMs).toBeLessThan(syncDelayMs / 2);
  },
);

test(
  "a disk that is slow to sync leaves the broker's loop prompt, and costs other peers a sync or two",
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
