import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cannotRead } from "../../support/process-reading.js";
import { eventually } from "../../support/test-broker.js";
import { processesOf } from "./processes.js";

if (cannotRead !== undefined) console.warn(`skipped: what outlives a host, because ${cannotRead}`);

test.skipIf(cannotRead !== undefined)("what outlives a host is found by its home", async () => {
  const home = await mkdtemp(join(tmpdir(), "pl-"));
  const left = spawn("sleep", ["60"], { env: { ...process.env, HOME: home }, stdio: "ignore" });
  try {
    await eventually(() => expect(processesOf(home)).toEqual([left.pid]));
  } finally {
    left.kill("SIGKILL");
    await once(left, "exit");
    expect(processesOf(home)).toEqual([]);
    await rm(home, { recursive: true });
  }
});
