import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { AgentStart } from "./host-program.js";
import { maxRunMs } from "./limits.js";

/** Runs a program that has to succeed, without a terminal. It is ended with all that it started. */
export async function runToEnd(
  command: readonly [string, ...string[]],
  { by, cwd, env }: AgentStart,
): Promise<void> {
  const [program = "", ...args] = [...by, ...command];
  // In a group of its own, which a signal reaches as a whole.
  const child = spawn(program, args, {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  const timeUp = setTimeout(() => pid !== undefined && process.kill(-pid, "SIGKILL"), maxRunMs);
  try {
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = (await once(child, "exit")) as [number | null];
    if (code === 0) return;
    throw new Error(`${command.join(" ")} ended with ${code}: ${(await output).join("\n")}`);
  } finally {
    clearTimeout(timeUp);
  }
}
