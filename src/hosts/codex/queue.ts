import { spawn } from "node:child_process";
import { once } from "node:events";
import { workingDirectory } from "../../endpoint/working-directory.js";
import { AbortScope } from "../../abort-scope.js";
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
  using run = new AbortScope([signal], codexQueueMs);
  try {
    const child = spawn("codex", ["queue", "--thread", thread, "--message", line], {
      // It reads its settings from there on, and fails in a directory that was removed.
      cwd: workingDirectory() ?? "/",
      stdio: "ignore",
      signal: run.signal,
    });
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0 ? "taken" : "refused";
  } catch {
    return "refused";
  }
}
