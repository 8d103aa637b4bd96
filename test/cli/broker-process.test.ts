import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { sleep } from "../../src/clock.js";
import { waitForProcessEnd } from "../../src/cli/broker-process.js";

test("waits for a process that ends, and no longer than asked for one that does not", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  expect(await waitForProcessEnd(pid, { ms: 50, lookMs: 5 })).toBe(false);
  child.kill("SIGKILL");
  expect(await waitForProcessEnd(pid, { ms: 5000, lookMs: 5 })).toBe(true);
});

test("waits no longer than asked though the clock is set back meanwhile", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  onTestFinished(() => void vi.useRealTimers());
  const waiting = waitForProcessEnd(process.pid, { ms: 50, lookMs: 5 });
  vi.setSystemTime(Date.now() - 3_600_000);
  expect(await Promise.race([waiting, sleep(5000)])).toBe(false);
});

test.runIf(process.platform === "linux")(
  "a process that ended counts as ended before its parent takes note",
  async () => {
    // The parent is stopped, so that it cannot take note of its child's end.
    const parent = spawn(process.execPath, [
      "-e",
      `const child = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
       child.once("spawn", () => console.log(child.pid));`,
    ]);
    const pid = Number(await once(parent.stdout, "data"));
    parent.kill("SIGSTOP");
    process.kill(pid, "SIGKILL");
    const ended = await waitForProcessEnd(pid, { ms: 5000, lookMs: 5 });
    parent.kill("SIGKILL");
    expect(ended).toBe(true);
  },
);
