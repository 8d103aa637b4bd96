import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Terminal } from "./terminal.js";

test("plays the whole story, loses nothing and leaves nothing behind", async () => {
  await using terminal = await Terminal.open();
  const { directory, env } = temporary(terminal, "tmp");
  const { code, stdout, stderr } = await terminal.start(["demo"], "", env).ended;
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/killed with -9 \(pid \d+\) while \d messages waited unread/);
  expect(stdout).toMatch(
    /frontend +reads from data-layer: "UserResponse: removed legacyId, added uuid/,
  );
  expect(stdout).toMatch(/frontend +queued [\d:]+, presented [\d:]+,.* answered [\d:]+/);
  expect(stdout).toContain("5 seen once, 0 lost, 0 seen twice, 0 astray, 1 broker killed");
  expect(readdirSync(directory)).toEqual([]);
});

test("Ctrl-C in the middle leaves nothing behind either", async () => {
  await using terminal = await Terminal.open();
  const { directory, env } = temporary(terminal, "tmp");
  const demo = terminal.start(["demo"], "", env);
  await demo.line("killed with -9");
  demo.interrupt();
  expect(await demo.ended).toMatchObject({ code: 130, stderr: "peerline: Interrupted.\n" });
  expect(readdirSync(directory)).toEqual([]);
});

test("what keeps it from being played is said in one sentence", async () => {
  await using terminal = await Terminal.open();
  const { directory, env } = temporary(terminal, "long".repeat(25));
  const { code, stdout, stderr } = await terminal.start(["demo"], "", env).ended;
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^peerline: The socket's path has .*\n$/);
  expect(readdirSync(directory)).toEqual([]);
});

/** Where the demo makes its home, of this test alone. */
function temporary(terminal: Terminal, name: string) {
  const directory = join(terminal.home, name);
  mkdirSync(directory, { mode: 0o700 });
  return { directory, env: { ...terminal.environment, TMPDIR: directory } };
}
