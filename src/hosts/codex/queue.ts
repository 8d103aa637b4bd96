import { spawn } from "node:child_process";
import type { WakeResult } from "../host.js";
import { codexQueueMs } from "../limits.js";

/**
 * Puts a line before an idle thread as its next prompt, by Codex's own command, found on PATH. Codex
 * takes it at once where the thread is open, and within seconds begins a turn.
 */
export async function queueForThread(
  thread: string,
  line: string,
  signal: AbortSignal,
): Promise<WakeResult> {
  return new Promise((resolve) => {
    const child = spawn("codex", ["queue", "--thread", thread, "--message", line], {
      stdio: "ignore",
      signal: AbortSignal.any([signal, AbortSignal.timeout(codexQueueMs)]),
    });
    child.on("error", () => resolve("refused"));
    child.on("close", (code) => resolve(code === 0 ? "taken" : "refused"));
  });
}
