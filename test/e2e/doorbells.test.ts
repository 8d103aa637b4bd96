import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readStamp } from "../../src/endpoint/process-stamp.js";
import { boxOfProcess } from "../../src/hosts/doorbell/box-folder.js";
import type { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { whyNot } from "../support/pid-namespace.js";
import { eventually } from "../support/test-broker.js";

const script = join(import.meta.dirname, "../../src/hosts/doorbell/doorbell.sh");
const session = "0d9c1a52-7a64-4bd5-9f5f-6a3c0b9f1e11";

/** Starts a command that the system gives no watch. */
const withoutWatches = [
  "unshare",
  "--user",
  "--map-root-user",
  "sh",
  "-c",
  'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"',
  "sh",
];
const cannotTakeWatches = whyNot(...withoutWatches, "true");
if (cannotTakeWatches !== undefined) {
  console.warn(`skipped: an agent without watches, because ${cannotTakeWatches}`);
}

/** An adapter of Claude Code, and the hooks that Claude Code would run: both for real. */
describe("an adapter and the hooks of its host", () => {
  let home: TestHome;
  let api: Agent;
  let web: Agent;

  beforeEach(async () => {
    home = await TestHome.open();
    web = await home.start("web", {
      clientName: "claude-code",
      env: { CLAUDE_CODE_SESSION_ID: session },
    });
    // Of two agents of one process, the hooks meet the one that was there first.
    await eventually(() => expect(existsSync(box()) && ownerOf(box())).toBe(web.pid));
    api = await home.start("api");
    await eventually(async () => {
      const { peers } = await api.facts("list_peers");
      expect(peers).toMatchObject([{ name: "web", online: true }]);
    });
  });

  afterEach(() => home[Symbol.asyncDispose]());

  const environment = (): Record<string, string> => ({
    PATH: process.env["PATH"] ?? "",
    HOME: home.path,
    PEERLINE_HOME: home.path,
    CLAUDE_CODE_SESSION_ID: session,
    CLAUDE_CODE_ENTRYPOINT: "cli",
  });

  /** Runs one hook as the host does; what it tells the model. */
  function hook(event: string): string {
    const { status, stdout, stderr } = spawnSync(
      "sh",
      [script, "claude", event, `${process.pid}`],
      {
        env: environment(),
        input: JSON.stringify({ session_id: session, hook_event_name: event }),
        encoding: "utf8",
      },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout === "" ? "" : JSON.parse(stdout).hookSpecificOutput.additionalContext;
  }

  const reach = async (): Promise<string> => (await api.facts("list_peers")).peers[0].reach;

  const box = (): string => join(home.path, "doorbells", boxOfProcess(process.pid));
  const bell = (): string => join(box(), "bell");
  const rung = (): Promise<void> => eventually(() => expect(existsSync(bell())).toBe(true));

  test("a hundred messages in a second make one doorbell, and reading them silences it", async () => {
    await Promise.all(
      Array.from({ length: 100 }, (_, number) =>
        api.facts("send_message", { to: "web", message: `message ${number}` }),
      ),
    );
    await rung();
    const told = [hook("PostToolUse"), hook("PostToolUse"), hook("UserPromptSubmit"), hook("Stop")];
    expect(told.filter((text) => text !== "")).toHaveLength(1);
    expect(told[0]).toMatch(/^Peerline: \d+ unread from api\. Call get_messages\.$/);

    let read = 0;
    await eventually(async () => {
      read += (await web.facts("get_messages")).messages.length;
      expect(read).toBe(100);
    });
    expect(existsSync(bell())).toBe(false);
    expect(hook("PostToolUse")).toBe("");
  });

  test("no word of a peer is in a doorbell", async () => {
    await api.facts("send_message", { to: "web", message: "SECRET-BODY" });
    await rung();
    expect(hook("UserPromptSubmit")).toBe("Peerline: 1 unread from api. Call get_messages.");
  });

  test("a send says how the agent is reached, from what was seen of it", async () => {
    await api.facts("send_message", { to: "web", message: "first" });
    expect(await reach(), "nothing was seen yet").toBe("stored");
    hook("UserPromptSubmit");
    await eventually(async () => expect(await reach()).toBe("next_turn"));
    expect((await web.facts("get_messages", { wait_ms: 10_000 })).messages).toHaveLength(1);
    const waiting = web.facts("get_messages", { wait_ms: 30_000 });
    await eventually(async () => expect(await reach()).toBe("wakes"));
    const sent = await api.facts("send_message", { to: "web", message: "second" });
    expect(sent.recipients).toMatchObject([{ reach: "wakes" }]);
    expect((await waiting).messages).toMatchObject([{ text: "second" }]);
    await eventually(async () => expect(await reach()).toBe("next_turn"));
  });

  test.skipIf(cannotTakeWatches !== undefined)(
    "hooks are heard where the system has no watch to give",
    async () => {
      // Of two agents of one host the hooks meet the newer.
      await web[Symbol.asyncDispose]();
      const env = { CLAUDE_CODE_SESSION_ID: session };
      web = await home.start("web", { clientName: "claude-code", env, by: withoutWatches });
      await web.facts("list_peers");
      await api.facts("send_message", { to: "web", message: "first" });
      await rung();
      expect(hook("UserPromptSubmit")).toContain("1 unread from api");
      await eventually(async () => expect(await reach()).toBe("next_turn"));
    },
  );

  test("a turn that ended after a result confirms what it showed", async () => {
    const { message_id } = await api.facts("send_message", { to: "web", message: "please look" });
    const { messages } = await web.facts("get_messages", { wait_ms: 5000 });
    expect(messages).toHaveLength(1);
    const status = async (): Promise<unknown> =>
      (await api.facts("message_status", { message_id })).receipts[0];
    await eventually(async () => expect(await status()).toMatchObject({ state: "presented" }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    hook("Stop");
    await eventually(async () =>
      expect(await status()).toMatchObject({ state: "confirmed", confirmed_by: "hook" }),
    );
  });

  test("whoever waits for an idle session gets one line, and the session is known to wake", async () => {
    hook("Stop");
    const waiter = spawn("sh", [script, "claude", "wait", `${process.pid}`], {
      env: environment(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      let lines = "";
      waiter.stdout.on("data", (chunk: Buffer) => (lines += chunk.toString()));
      await eventually(() => expect(existsSync(join(box(), "waiter"))).toBe(true));
      await api.facts("send_message", { to: "web", message: "wake up" });
      await eventually(() =>
        expect(lines).toBe("Peerline: 1 unread from api. Call get_messages.\n"),
      );
      expect(hook("UserPromptSubmit"), "the waiter took the bell").toBe("");
      await web.facts("get_messages");
      // The broker learns it from the agent some moments later.
      await eventually(async () => expect(await reach()).toBe("wakes"));
      const { recipients } = await api.facts("send_message", { to: "web", message: "again" });
      expect(recipients).toMatchObject([{ name: "web", reach: "wakes" }]);
    } finally {
      waiter.kill("SIGTERM");
      await once(waiter, "exit");
    }
  });

  test("nothing is left when the agent ends, nor when it was killed and another begins", async () => {
    expect(boxes()).toEqual([boxOfProcess(process.pid)]);
    await web[Symbol.asyncDispose]();
    await eventually(() => expect(boxes()).toEqual([]));
    const killed = await home.start("web", { clientName: "claude-code" });
    await killed.facts("list_peers");
    await eventually(() => expect(boxes()).toEqual([boxOfProcess(process.pid)]));
    process.kill(killed.pid, "SIGKILL");
    await eventually(async () => {
      await using next = await home.start("db");
      await next.facts("list_peers");
      expect(ownerOf(box())).toBe(next.pid);
    });
    await eventually(() => expect(boxes()).toEqual([]));
  });

  test("an agent that was taken over leaves the newer one's folder alone", async () => {
    const meta = { threadId: "019f-thread" };
    const older = await home.start("db", { clientName: "codex-mcp-client" });
    await older.facts("list_peers", {}, { meta });
    const newer = await home.start("db", { clientName: "codex-mcp-client" });
    await newer.facts("list_peers", {}, { meta });
    const folder = join(home.path, "doorbells", meta.threadId);
    await api.facts("send_message", { to: "db", message: "hello" });
    await eventually(() => expect(existsSync(join(folder, "bell"))).toBe(true));
    await older[Symbol.asyncDispose]();
    expect(ownerOf(folder)).toBe(newer.pid);
    expect(existsSync(join(folder, "bell"))).toBe(true);
  });

  const boxes = (): string[] => readdirSync(join(home.path, "doorbells")).toSorted();
});

function ownerOf(folder: string): number | undefined {
  return readStamp(readFileSync(join(folder, "adapter.pid"), "utf8"))?.pid;
}
