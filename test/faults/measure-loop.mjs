import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

// Preloaded into a broker (NODE_OPTIONS=--import): measures the delay of its event loop. The measurement runs
// from one SIGUSR2 to the next. At its end the broker writes the 99th percentile to the file FAULT_LOOP_REPORT.
if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  process.on("SIGUSR2", () => delay.enable() || delay.disable());
  process.on("exit", () => {
    writeFileSync(process.env.FAULT_LOOP_REPORT, String(delay.percentile(99) / 1e6));
  });
}
