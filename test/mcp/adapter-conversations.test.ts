import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ownRealm } from "../../src/endpoint/process-stamp.js";
import { boxOfProcess } from "../../src/hosts/doorbell/box-folder.js";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { TestHome } from "./test-home.js";
import { Window, type WindowOptions } from "./window.js";

describe("a host that goes from conversation to conversation", () => {
  let home: TestHome;
  let project: string;
  let web: Agent;

  beforeEach(async () => {
    home = await TestHome.open();
    project = join(home.path, "proj");
    await mkdir(join(project, ".git"), { recursive: true });
    web = await home.start("web");
    await web.facts("list_peers");
  });
  afterEach(() => home[Symbol.asyncDispose]());

  const open = async (options: WindowOptions): Promise<Window> =>
    Window.open(home, { cwd: project, ...options });

  /** Sends a message, of which the name says for whom it is. */
  const send = async (to: string, message: string): Promise<string> =>
    (await web.facts("send_message", { to, message })).message_id;

  const stateOf = async (message_id: string): Promise<string> =>
    (await web.facts("message_status", { message_id })).receipts[0].state;

  /** Two windows of one project, of which the second is cleared. */
  async function twoWindows(): Promise<[Window, Window]> {
    const first = await open({ started: "a" });
    first.hook("SessionStart", "a");
    expect(await first.name()).toBe("proj");
    const second = await open({ started: "b" });
    second.hook("SessionStart", "b");
    expect(await second.name()).toBe("proj-2");
    second.hook("SessionStart", "c");
    expect(await second.name(), "after /clear").toBe("proj-2");
    return [first, second];
  }

  test.each([
    ["in their order", ["a", "c"]],
    ["in the other order", ["c", "a"]],
  ])("has its agent and its mail when both windows are resumed %s", async (_order, resumed) => {
    for (const window of await twoWindows()) await window.close();
    await send("proj", "for proj");
    await send("proj-2", "for proj-2");
    for (const conversation of resumed) {
      const window = await open({ started: conversation });
      window.hook("SessionStart", conversation);
      const name = conversation === "a" ? "proj" : "proj-2";
      expect(await window.name()).toBe(name);
      expect(await window.readNext()).toEqual([`for ${name}`]);
    }
  });

  test.each(["before", "after"])(
    "has its agent where the server was started with another id, and the hook ran %s it attached",
    async (when) => {
      for (const window of await twoWindows()) await window.close();
      await send("proj", "for proj");
      await send("proj-2", "for proj-2");
      const continued = await open({ started: "of-nobody" });
      if (when === "after")
        await eventually(() => expect(continued.agent.log).toContain("as proj"));
      continued.hook("SessionStart", "c");
      continued.hook("UserPromptSubmit", "c");
      expect(await continued.readNext()).toEqual(["for proj-2"]);
      expect(await continued.name()).toBe("proj-2");
      const first = await open({ started: "a" });
      expect(await first.name()).toBe("proj");
      expect(await first.readNext()).toEqual(["for proj"]);
    },
  );

  test("moves to the agent of a conversation that is resumed in it, and back, and mixes no mail", async () => {
    const [first, second] = await twoWindows();
    await first.close();
    const unread = await send("proj-2", "unread of proj-2");
    await eventually(async () => expect(await stateOf(unread)).toBe("leased"));
    const waiting = await send("proj", "for proj");
    second.hook("SessionStart", "a");
    second.hook("UserPromptSubmit", "a");
    expect(await second.readNext()).toEqual(["for proj"]);
    expect(await second.name()).toBe("proj");
    await eventually(async () => expect(await stateOf(waiting)).toBe("confirmed"));
    expect(await stateOf(unread)).toBe("leased");

    const later = await send("proj", "shown to a, not confirmed");
    expect(await second.readNext()).toEqual(["shown to a, not confirmed"]);
    second.hook("SessionStart", "c");
    expect(await second.readNext()).toEqual(["unread of proj-2"]);
    expect(await second.name()).toBe("proj-2");
    // The call that came next was another conversation's: it says nothing of what this one saw.
    expect(await stateOf(later)).not.toBe("confirmed");
    second.hook("SessionStart", "a");
    const { messages } = await second.agent.facts("get_messages", { wait_ms: 20_000 });
    expect(messages).toMatchObject([{ text: "shown to a, not confirmed", redelivered: true }]);
  });

  test("confirms with a call after /clear nothing that was shown before it", async () => {
    const window = await open({ started: "a" });
    window.hook("SessionStart", "a");
    await window.name();
    const shown = await send("proj", "shown before /clear");
    expect(await window.readNext()).toHaveLength(1);
    window.hook("SessionStart", "b");
    await window.name();
    await eventually(async () => expect(await stateOf(shown)).toBe("presented"));
    await window.name();
    expect(await stateOf(shown)).toBe("presented");
  });

  test("is a new agent where the one of the resumed conversation is at work in another window", async () => {
    const [first, second] = await twoWindows();
    first.hook("SessionStart", "d");
    expect(await first.name()).toBe("proj");
    await send("proj-2", "for proj-2");
    second.hook("SessionStart", "a");
    expect(await second.read()).toEqual([]);
    expect(await second.name()).toBe("proj-3");
    expect(await first.name()).toBe("proj");
    second.hook("SessionStart", "c");
    expect(await second.readNext()).toEqual(["for proj-2"]);
  });

  test("is told that it goes on as another, with whose mail, and by the one that is resumed who is that now", async () => {
    const first = await open({ started: "a" });
    expect(await first.name()).toBe("proj");
    await first.close();
    await send("proj", "for conversation a");
    await send("proj", "for conversation a, too");

    const taker = await open({ started: "b" });
    const taken = await taker.agent.facts("list_peers");
    expect(taken.you.name).toBe("proj");
    expect(taken.note).toBe(
      "you go on as proj, which another conversation was before: the 2 messages that wait were sent to it before you came",
    );
    await eventually(async () => expect((await taker.agent.facts("list_peers")).unread).toBe(2));
    expect(await taker.read()).toHaveLength(2);
    // Confirms them.
    await taker.agent.facts("list_peers");

    const resumed = await open({ started: "a" });
    const told = await resumed.agent.facts("list_peers");
    expect(told.you.name).toBe("proj-2");
    expect(told.note).toBe(
      "you are proj-2: proj, which this conversation was before, is another's now",
    );
    // Once; and who comes back to its own hears nothing of the kind.
    expect((await resumed.agent.facts("list_peers")).note).toBeUndefined();
    await taker.close();
    await send("proj", "for conversation b");
    const again = await open({ started: "b" });
    const own = await again.agent.facts("get_messages", { wait_ms: 20_000 });
    expect([own.messages.length, own.note]).toEqual([1, undefined]);
  });

  test("shows mail to no call that began in the conversation before", async () => {
    const [first, second] = await twoWindows();
    await first.close();
    const waiting = second.agent.failure("get_messages", { wait_ms: 20_000 });
    await eventually(async () => {
      const { peers } = await web.facts("list_peers");
      expect(peers.find(({ name }: { name: string }) => name === "proj-2").reach).toBe("wakes");
    });
    await send("proj", "for proj");
    second.hook("SessionStart", "a");
    expect(await waiting).toContain("gone on to another conversation");
    expect(await second.readNext()).toEqual(["for proj"]);
  });

  test("is told by no hook of mail that came in the conversation before", async () => {
    const [first, second] = await twoWindows();
    await first.close();
    await send("proj-2", "for proj-2");
    const box = join(home.path, "doorbells", boxOfProcess(second.agent.pid));
    await eventually(() => expect(existsSync(join(box, "bell"))).toBe(true));
    expect(second.hook("SessionStart", "a")).toBe("");
    await eventually(() => expect(existsSync(join(box, "bell"))).toBe(false));
    expect(second.hook("UserPromptSubmit", "a")).toBe("");
  });

  test("keeps its agent through what its conversations are, when the broker starts anew", async () => {
    const [first, second] = await twoWindows();
    await home.killBroker("SIGKILL");
    expect([await first.name(), await second.name()]).toEqual(["proj", "proj-2"]);
    second.hook("SessionStart", "e");
    expect(await second.name()).toBe("proj-2");
    await second.close();
    const resumed = await open({ started: "e" });
    expect(await resumed.name()).toBe("proj-2");
  });

  test("is known to be Gemini CLI's by the file that it keeps the conversation in", async () => {
    const start = async (conversation: string): Promise<Window> => {
      const window = await open({ program: "gemini" });
      window.hook("SessionStart", conversation);
      window.hook("BeforeAgent", conversation);
      return window;
    };
    const first = await start("aaaaaaaa");
    expect(await first.name()).toBe("proj");
    const second = await start("bbbbbbbb");
    expect(await second.name()).toBe("proj-2");
    second.hook("SessionStart", "cccccccc");
    expect(await second.name(), "after /clear").toBe("proj-2");
    for (const window of [first, second]) await window.close();
    await send("proj", "for proj");
    await send("proj-2", "for proj-2");
    // Started at once: until their hooks run, each has whichever is free.
    const [later, sooner] = [await open({ program: "gemini" }), await open({ program: "gemini" })];
    await eventually(() => expect(sooner.agent.log).toContain("connected"));
    await eventually(() => expect(later.agent.log).toContain("connected"));
    for (const [window, conversation] of [
      [later, "aaaaaaaa"],
      [sooner, "cccccccc"],
    ] as const) {
      window.hook("SessionStart", conversation);
      window.hook("BeforeAgent", conversation);
    }
    expect(await later.readNext()).toEqual(["for proj"]);
    expect(await sooner.readNext()).toEqual(["for proj-2"]);
  });

  test.skipIf(ownRealm() === "").each([
    ["a shell", ["sh", "-c", '"$@"; :', "wrapper"]],
    ["two", ["sh", "-c", '"$@"; :', "wrapper", "sh", "-c", '"$@"; :', "wrapper"]],
    // It runs what a package installed, in a shell of its own, and stays.
    ["npx", ["npx", "--no", "--offline", "through"]],
  ])(
    "is met by its hooks also where %s stands between it and the server",
    async (_what, through) => {
      const bin = join(project, "node_modules/.bin");
      await mkdir(bin, { recursive: true });
      await writeFile(join(bin, "through"), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
      const window = await open({ started: "a", through });
      await window.name();
      window.hook("UserPromptSubmit", "a");
      await send("proj", "through the wrapper");
      const box = join(home.path, "doorbells", boxOfProcess(window.agent.pid));
      await eventually(() => expect(existsSync(join(box, "bell"))).toBe(true));
      expect(window.hook("PostToolUse", "a")).toContain("1 unread from web");
    },
  );
});
