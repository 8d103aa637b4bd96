import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { buildProgram } from "../support/build-program.js";
import { quiet, startEcho } from "./echo-server.js";

test("a process ends when it closes its channel under a running stream", async () => {
  const { address, program } = await start();
  // Without the close it would wait until it is killed.
  const { stdout } = await run(process.execPath, [program, address, "close"], { timeout: 10_000 });
  expect(stdout).toBe("started\nRpcError: The channel is closed.\n");
});

test("a running stream keeps a process alive", async () => {
  const { address, program } = await start();
  const running = run(process.execPath, [program, address, "stay"], { timeout: 2_000 });
  await expect(running).rejects.toMatchObject({ killed: true, stdout: "started\n" });
});

const run = promisify(execFile);

async function start(): Promise<{ address: string; program: string }> {
  const { address } = await startEcho({ repeat: quiet() });
  const input = new URL("leave-stream-open.ts", import.meta.url);
  const program = await buildProgram(input, dirname(address.slice("unix:".length)));
  return { address, program };
}
