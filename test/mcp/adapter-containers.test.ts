import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cannotSeparate } from "../support/pid-namespace.js";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { TestHome } from "./test-home.js";
import { Window } from "./window.js";

if (cannotSeparate !== undefined)
  console.warn(`skipped: agents of two containers, because ${cannotSeparate}`);

describe.skipIf(cannotSeparate !== undefined)("agents of two containers that share a home", () => {
  let home: TestHome;
  let outside: Agent;

  beforeEach(async () => {
    home = await TestHome.open();
    // Its broker is in neither container, and so outlives both.
    outside = await home.start("outside");
    await outside.facts("list_peers");
  });
  afterEach(() => home[Symbol.asyncDispose]());

  /** Each host is process 1 where it runs. */
  async function open(name: string): Promise<{ window: Window; box: string }> {
    const cwd = join(home.path, name);
    await mkdir(join(cwd, ".git"), { recursive: true });
    const before = boxes();
    const window = await Window.open(home, { cwd, started: `of-${name}`, isSeparated: true });
    expect(await window.name()).toBe(name);
    window.hook("SessionStart", `of-${name}`);
    const [box = "", ...others] = boxes().filter((path) => !before.includes(path));
    expect(others).toEqual([]);
    expect(box).toMatch(/\/pid-1-/);
    return { window, box };
  }

  function boxes(): string[] {
    const folder = join(home.path, "doorbells");
    return readdirSync(folder).map((name) => join(folder, name));
  }

  const send = async (to: string): Promise<void> => {
    await outside.facts("send_message", { to, message: `for ${to}` });
  };
  const hangsIn = async (box: string): Promise<void> =>
    eventually(() =>
      expect(boxes().filter((path) => existsSync(join(path, "bell")))).toEqual([box]),
    );

  test("are each told of their own mail by their own host's hooks alone", async () => {
    const left = await open("left");
    const right = await open("right");
    for (const [own, other, name] of [
      [left, right, "left"],
      [right, left, "right"],
    ] as const) {
      await send(name);
      await hangsIn(own.box);
      expect(other.window.hook("PostToolUse", "of-nobody")).toBe("");
      expect(own.window.hook("PostToolUse", "of-nobody")).toContain("1 unread from outside");
      expect(await own.window.read()).toEqual([`for ${name}`]);
      expect(await other.window.read()).toEqual([]);
    }
  });

  test("keep their folders when others begin and end, inside and outside", async () => {
    const left = await open("left");
    const right = await open("right");
    // An agent that begins removes what ended agents left.
    const passing = await home.start("passing");
    await passing.facts("list_peers");
    await open("third");
    for (const { box } of [left, right]) expect(existsSync(join(box, "adapter.pid"))).toBe(true);
    await left.window.close();
    await eventually(() => expect(existsSync(left.box)).toBe(false));
    expect(existsSync(join(right.box, "adapter.pid"))).toBe(true);
    await send("right");
    await hangsIn(right.box);
    expect(right.window.hook("PostToolUse", "of-right")).toContain("1 unread from outside");
  });
});
