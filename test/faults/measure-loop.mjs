import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

// Preloaded into a broker (NODE_OPTIONS=--import): measures how late its event loop comes to what is due,
// from a signal SIGUSR2 to the next, and writes the 99th percentile to the file FAULT_LOOP_REPORT as it ends.
if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  process.on("SIGUSR2", () => delay.enable() || delay.disable());
  process.on("exit", () => {
    writeFileSync(process.env.FAULT_LOOP_REPORT, String(delay.percentile(99) / 1e6));
  });
}
