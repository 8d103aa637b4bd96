import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DoorbellBox, type Turn } from "../../../src/hosts/doorbell/doorbell-box.js";
import { eventually } from "../../support/test-broker.js";

describe("the conversation of two agents that one program starts at once", () => {
  let home: string;
  beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "pl-"))));
  afterEach(() => rmSync(home, { recursive: true }));

  const listener = { taken: () => {}, turned: () => {}, moved: () => {} };
  const folder = (): string => join(home, "doorbells", readdirSync(join(home, "doorbells"))[0]!);

  /** Opens the folder as one does that finds nobody in it yet. */
  function open(): DoorbellBox {
    mkdirSync(join(home, "doorbells"), { recursive: true, mode: 0o700 });
    for (const name of readdirSync(join(home, "doorbells")))
      rmSync(join(home, "doorbells", name, "adapter.pid"), { force: true });
    const box = DoorbellBox.open({ home, session: undefined, hostPid: process.pid }, listener);
    if (box === undefined) throw new Error("no folder");
    onTestFinished(() => box.close());
    return box;
  }

  test.each(["before", "after"])("is each one's own, %s both have the folder", (when) => {
    const first = open();
    if (when === "before") first.assume("a");
    const second = open();
    if (when === "after") first.assume("a");
    second.assume("b");
    expect([first.conversation, second.conversation]).toEqual(["a", "b"]);
  });

  test("is the one that a hook tells, once it does", () => {
    const box = open();
    box.assume("a");
    writeFileSync(join(folder(), "conversation"), "c\n");
    expect(box.conversation).toBe("c");
    box.assume("a");
    expect(box.conversation).toBe("c");
  });
});

test("two turns that the file system gives the same time are both told", async () => {
  const home = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const turns: Turn[] = [];
  const turned = (turn: Turn): void => void turns.push(turn);
  const key = { home, session: "thread-1", hostPid: process.pid };
  const box = DoorbellBox.open(key, { taken: () => {}, moved: () => {}, turned });
  onTestFinished(() => box?.close());
  const file = join(home, "doorbells", "thread-1", "turn");
  for (const turn of ["busy", "idle"] as const) {
    writeFileSync(file, `${turn}\n`);
    utimesSync(file, 1, 1);
    await eventually(() => expect(turns.at(-1)).toBe(turn));
  }
});
