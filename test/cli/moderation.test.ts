import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { Terminal } from "./terminal.js";

const me = userInfo().username.toLowerCase();

test("a peer is muted, purged and unmuted at the terminal, and stays muted over a restart", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  await terminal.run("send", me, "one");
  expect(await terminal.run("mute", me)).toEqual({
    code: 0,
    stdout: `${me} may not send until \`peerline unmute ${me}\`.\n`,
    stderr: "",
  });
  expect((await terminal.run("peers")).stdout).toContain("muted");
  const refused = await terminal.run("send", me, "two");
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining(`until further notice: \`peerline unmute ${me}\` lifts it`),
  ]);
  expect((await terminal.run("purge", "--from", me)).stdout).toBe(
    `Removed 1 unread message from ${me}, each recipient counting.\n`,
  );

  await terminal.run("stop");
  await terminal.run("read");
  expect((await terminal.run("send", me, "three")).code).toBe(1);
  expect((await terminal.run("unmute", me)).stdout).toBe(`${me} may send.\n`);
  expect((await terminal.run("mute", me, "--for", "2h")).stdout).toMatch(/ until [\d: -]+\.\n$/);
  await terminal.run("unmute", me);
  expect((await terminal.run("send", me, "four")).code).toBe(0);
  const { stdout } = await terminal.run("log");
  expect(stdout).not.toMatch(/one|two|three/);
  expect(stdout).toContain("│ four");
});

test("what cannot be muted or purged is said, with the fix", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const unknown = await terminal.run("mute", "nobody");
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("nobody")]);
  const time = await terminal.run("mute", me, "--for", "soon");
  expect([time.code, time.stderr]).toEqual([2, expect.stringContaining("10m, 2h or 1d")]);
  const bare = await terminal.run("mute", me, "--for", "5");
  expect([bare.code, bare.stderr]).toEqual([2, expect.stringContaining('--for "5" is no time')]);
  const sender = await terminal.run("purge", "--from", "nobody");
  expect([sender.code, sender.stderr]).toEqual([1, expect.stringContaining("--from: no peer")]);
  const gone = await terminal.run("show", "12345678");
  expect(gone.stderr).toContain("there is no message 12345678 (it may have been purged)");
  expect((await terminal.run("purge")).code).toBe(2);
});
