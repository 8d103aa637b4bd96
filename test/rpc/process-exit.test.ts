import { execFile } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { buildProgram } from "../support/build-program.js";
import { Running } from "../support/program.js";
import { quiet, startEcho } from "./echo-server.js";

test("a process ends when it closes its channel under a running stream", async () => {
  const { address, program } = await start();
  // Without the close it would go on for ever.
  const { stdout } = await run(process.execPath, [program, address, "close"]);
  expect(stdout).toBe("started\nRpcError: The channel is closed.\n");
});

test("a running stream keeps a process alive", async () => {
  const { address, program } = await start();
  await using running = new Running(process.execPath, [program, address, "stay"], process.env);
  expect(await running.line()).toBe("started");
  // With nothing else to do, it would end at once.
  const ended = once(running.child, "exit");
  expect(await Promise.race([ended, delay(500, "runs")])).toBe("runs");
});

const run = promisify(execFile);

async function start(): Promise<{ address: string; program: string }> {
  const { address } = await startEcho({ repeat: quiet() });
  const input = new URL("leave-stream-open.ts", import.meta.url);
  const program = await buildProgram(input, dirname(address.slice("unix:".length)));
  return { address, program };
}
