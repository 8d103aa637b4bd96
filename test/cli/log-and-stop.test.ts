import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { waitForProcessEnd } from "../../src/cli/broker-process.js";
import { Terminal } from "./terminal.js";

const me = userInfo().username.toLowerCase();

test("log -f shows messages and receipts as they happen, also across a broker that stops", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  await terminal.run("send", me, "earlier");
  const log = terminal.start(["log", "-f"]);
  await log.line("│ earlier");
  await terminal.run("send", me, "now");
  await log.line("│ now");
  await terminal.run("read");
  await log.line("confirmed");

  expect((await terminal.run("stop")).code).toBe(0);
  await terminal.run("send", me, "later");
  await log.line("│ later");
  log.interrupt();
  const { code, stdout, stderr } = await log.ended;
  expect(code).toBe(0);
  expect(stderr).toMatch(/^The broker is gone.*\nThe broker is back\.\n$/);
  expect(stdout.match(/^ {2}│ (earlier|now|later)$/gm)).toHaveLength(3);
});

test("log -f tells of those messages alone that it is asked for, and show of one", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const log = terminal.start(["log", "-f", "--grep", "WANTED"]);
  await terminal.run("send", me, "wanted before");
  await log.line("│ wanted before");
  await terminal.run("send", me, "other");
  const { stdout: sent } = await terminal.run("send", me, "wanted after");
  await log.line("│ wanted after");
  await terminal.run("read");
  await log.line("confirmed");
  const id = /id (\w+)/.exec(sent)?.[1] ?? "";
  const shown = await terminal.run("show", `#${id}`);
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("  │ wanted after\n")]);
  expect((await terminal.run("show", "ffffffff")).code).toBe(1);
  expect((await terminal.run("log", "--grep", "nothing")).stdout).toBe("No message fits.\n");
  log.interrupt();
  const { stdout } = await log.ended;
  expect(stdout).not.toContain("other");
  expect(stdout.match(/confirmed .* id /g)?.length).toBeGreaterThanOrEqual(1);
});

test("log shows the newest messages, newest last", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  for (const text of ["one", "two", "three"]) await terminal.run("send", me, text);
  const { stdout } = await terminal.run("log", "-n", "2");
  expect(stdout.match(/^ {2}│ (one|two|three)$/gm)).toEqual(["  │ two", "  │ three"]);
});

test("stop resolves when the broker's process has ended, and mail survives it", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  await terminal.run("send", me, "kept");
  const pid = await terminal.brokerPid();
  if (pid === undefined) throw new Error("no broker runs");
  expect(await terminal.run("stop")).toEqual({
    code: 0,
    stdout: `Stopped the broker (pid ${pid}).\n`,
    stderr: "",
  });
  expect(await waitForProcessEnd(pid, { ms: 0, lookMs: 1 })).toBe(true);
  expect((await terminal.run("read")).stdout).toContain("│ kept\n");
});
