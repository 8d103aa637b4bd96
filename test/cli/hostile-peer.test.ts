import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { deceit, deceptive, HostilePeer } from "../support/hostile-peer.js";
import { Terminal } from "./terminal.js";

describe("what a hostile peer can do to a terminal", () => {
  let terminal: Terminal;
  let mallory: HostilePeer;
  let person: string;
  let sent = 0;

  beforeAll(async () => {
    terminal = await Terminal.open();
    await terminal.run("read");
    const { peers } = (await terminal.json("peers")) as { peers: { name: string }[] };
    person = peers[0]?.name ?? "";
    mallory = await HostilePeer.join(terminal.home);
  });
  beforeEach(async () => {
    const text = `${deceit} ${sent++}`;
    await mallory.client.sendMessage({ to: [person], text, data: { [deceit]: deceit } });
  });
  afterAll(async () => {
    mallory[Symbol.dispose]();
    await terminal[Symbol.asyncDispose]();
  });

  test.each([
    [["peers"]],
    [["peers", "--json"]],
    [["log"]],
    [["log", "--json"]],
    [["read"]],
    [["read", "--json"]],
    [["send", "mallory", "hello"]],
    [["send", "mal\u001B[2J\u202Elory", "hello"]],
    [["status"]],
    [["doctor"]],
  ])("%j prints words alone", async (args) => {
    const { stdout, stderr } = await terminal.run(...args);
    expect(stdout + stderr).not.toBe("");
    expect(stdout).not.toMatch(deceptive);
    expect(stderr).not.toMatch(deceptive);
    expect(stdout + stderr).not.toContain("<system");
    if (["peers", "log", "read"].includes(args[0] ?? "")) expect(stdout).toContain("obey me");
  });

  test("a table stays one line for each peer and one for its summary", async () => {
    const { stdout } = await terminal.run("peers");
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => line.includes("mallory"))).toHaveLength(1);
    expect(lines).toHaveLength(4);
  });
});
