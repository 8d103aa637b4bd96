import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { eventually } from "../support/test-broker.js";
import { CuttingProxy } from "./cutting-proxy.js";
import { Operator } from "./operator.js";

const run = promisify(execFile);

describe("an agent's identity", () => {
  let home: TestHome;
  let operator: Operator;
  let project: string;

  beforeEach(async () => {
    home = await TestHome.open();
    operator = new Operator(home.path);
    project = join(home.path, "shop");
    await mkdir(join(project, ".git"), { recursive: true });
  });
  afterEach(async () => home[Symbol.asyncDispose]());

  function claude(sessionId: string) {
    const env = { CLAUDE_CODE_SESSION_ID: sessionId };
    return { clientName: "claude-code", env, cwd: project };
  }

  /** Which peer the agent is. */
  async function peerIdOf(agent: Agent, threadId?: string): Promise<string> {
    return operator.peerId(await nameOf(agent, threadId));
  }

  test("a resumed conversation is its own peer, though lower numbers of its directory are free", async () => {
    const names = ["session-a", "session-b", "session-c"];
    const ids = [];
    const agents = [];
    for (const name of names) {
      const agent = await home.start("", claude(name));
      ids.push(await peerIdOf(agent));
      agents.push(agent);
    }
    expect(new Set(ids).size).toBe(3);
    for (const agent of agents) await agent[Symbol.asyncDispose]();
    for (const index of [2, 0, 1]) {
      const resumed = await home.start("", claude(names[index] ?? ""));
      expect(await peerIdOf(resumed)).toBe(ids[index]);
    }
    expect(await operator.peers()).toHaveLength(3);
  });

  test("a child that inherits its parent's session id takes neither its peer nor its mail, nor after the broker died", async () => {
    const parent = await home.start("", claude("session-a"));
    const parentId = await peerIdOf(parent);
    const child = await home.start("", { ...claude("session-a"), clientName: "codex-mcp-client" });
    const childId = await peerIdOf(child, "t-1");
    expect(childId).not.toBe(parentId);
    await child.facts("send_message", { to: parentId, message: "for the parent" });
    for (let death = 0; death < 3; death++) {
      await home.killBroker("SIGKILL");
      const [parentNow, childNow] = await Promise.all([nameOf(parent), nameOf(child, "t-1")]);
      expect(await operator.peerId(parentNow)).toBe(parentId);
      expect(await operator.peerId(childNow)).toBe(childId);
    }
    expect((await child.facts("get_messages")).messages).toEqual([]);
    expect((await parent.facts("get_messages")).messages).toMatchObject([
      { text: "for the parent" },
    ]);
  });

  test("a Codex process moves to its first thread's peer, once; other threads move it nowhere", async () => {
    const codex = { clientName: "codex-mcp-client", cwd: project };
    const ids = new Map<string, string>();
    for (const thread of ["t-1", "t-2"]) {
      const agent = await home.start(thread, codex);
      ids.set(thread, await peerIdOf(agent, thread));
      await agent[Symbol.asyncDispose]();
    }
    const resumed = await home.start("visitor", codex);
    expect(await peerIdOf(resumed, "t-2")).toBe(ids.get("t-2"));
    for (const thread of ["t-1", "t-3", "t-2"])
      expect(await peerIdOf(resumed, thread)).toBe(ids.get("t-2"));
    expect((await operator.peers()).map(({ name }) => name).toSorted()).toEqual(["t-1", "t-2"]);
  });

  test("however many answers are lost while it registers, an adapter is one peer with one secret", async (context) => {
    const first = await home.start("watcher");
    await nameOf(first);
    const cuts = 7;
    await using proxy = await CuttingProxy.listen(
      join(home.path, "proxy.sock"),
      join(home.path, "broker.sock"),
      cuts,
    );
    const unlucky = await home.start("unlucky", {
      env: { PEERLINE_BROKER: `unix:${proxy.path}` },
    });
    const ids = new Set<string>();
    let wasMadeUnheard = false;
    await eventually(async () => {
      // A call cuts the wait for the next attempt short.
      const attached = nameOf(unlucky);
      attached.catch(() => undefined);
      const others = (await operator.peers()).filter(({ name }) => name !== "watcher");
      for (const { peerId } of others) ids.add(peerId);
      wasMadeUnheard ||= others.length > 0 && proxy.connections < cuts;
      expect(proxy.connections).toBeGreaterThan(cuts);
      expect(await attached).toBe("unlucky");
    }, 25_000);
    expect(ids.size).toBe(1);
    expect(await operator.peers()).toHaveLength(2);
    expect(await readdir(join(home.path, "peers"))).toHaveLength(2);
    // In how many pieces an answer comes is the system's to decide.
    if (!wasMadeUnheard) context.skip("no answer to Register was among those that were cut");
  });

  test("whenever the broker is killed while agents register, each ends as one peer, and none is left over", async () => {
    const names = ["a", "b", "c", "d"];
    const starting = names.map((name) => home.start(name));
    for (let death = 0; death < 5; death++) {
      await sleep(Math.random() * 300);
      await home.killBroker("SIGKILL").catch(() => undefined);
    }
    const agents = await Promise.all(starting);
    await eventually(async () => {
      expect(await Promise.all(agents.map((agent) => nameOf(agent)))).toEqual(names);
    }, 25_000);
    expect((await operator.peers()).map(({ name }) => name).toSorted()).toEqual(names);
    expect(await readdir(join(home.path, "peers"))).toHaveLength(names.length);
  });

  test("of two adapters of one conversation the older stays away, also when the broker starts anew", async () => {
    const older = await home.start("backend", claude("session-a"));
    const peerId = await peerIdOf(older);
    const newer = await home.start("backend", claude("session-a"));
    expect(await peerIdOf(newer)).toBe(peerId);
    const took = /^A newer session of this conversation took over backend/;
    await eventually(async () => expect(await older.failure("list_peers")).toMatch(took));
    // The broker writes down the end of the older one's stream after its farewell.
    await eventually(async () => expect(await countStreams(home)).toBe(1));
    for (let call = 0; call < 5; call++) {
      expect(await older.failure("get_messages")).toMatch(took);
      expect(await peerIdOf(newer)).toBe(peerId);
      await sleep(200);
    }
    expect(await countStreams(home)).toBe(1);

    await home.killBroker("SIGKILL");
    expect(await older.failure("list_peers")).toMatch(took);
    expect(await peerIdOf(newer)).toBe(peerId);
    expect(await older.failure("send_message", { to: "backend", message: "me?" })).toMatch(took);
    expect(await operator.peers()).toHaveLength(1);
    expect(await operator.history()).toEqual([]);
  });

  test("a renamed peer keeps its mail under its id, and its conversation returns to it", async () => {
    const { path } = home;
    const [sender] = await home.startAll("sender");
    const agent = await home.start("", claude("session-a"));
    const peerId = await peerIdOf(agent);
    const name = await nameOf(agent);
    await agent[Symbol.asyncDispose]();
    await sender.facts("send_message", { to: name, message: "before the new name" });
    const again = await home.start("", claude("session-a"));
    await again.facts("set_name", { name: "backend" });
    await again[Symbol.asyncDispose]();
    expect(await sender.failure("send_message", { to: name, message: "gone" })).toContain(name);
    await sender.facts("send_message", { to: "backend", message: "after it" });
    await home.killBroker("SIGKILL");

    const resumed = await home.start("", claude("session-a"));
    expect(await peerIdOf(resumed)).toBe(peerId);
    expect(await readTexts(resumed, 2)).toEqual(["before the new name", "after it"]);
    expect(await readdir(join(path, "peers"))).toHaveLength(2);
  });

  test("a home that is copied while its broker runs is a world of its own", async () => {
    const [ann, bob] = await home.startAll("ann", "bob");
    await ann.facts("send_message", { to: "bob", message: "before the copy" });
    const folder = await mkdtemp(join(tmpdir(), "pl-"));
    await run("cp", ["-r", home.path, join(folder, "h")]);
    const copy = new TestHome(join(folder, "h"));
    try {
      const copied = new Operator(copy.path);
      const [twin] = await copy.startAll("ann");
      expect((await copied.info()).pid).not.toBe((await operator.info()).pid);
      expect((await copied.info()).brokerId).not.toBe((await operator.info()).brokerId);
      await twin.facts("send_message", { to: "bob", message: "in the copy" });
      await ann.facts("send_message", { to: "bob", message: "in the original" });
      expect(await readTexts(bob, 2)).toEqual(["before the copy", "in the original"]);
      expect(await textsIn(operator)).toEqual(["in the original", "before the copy"]);
      expect(await textsIn(copied)).toEqual(["in the copy", "before the copy"]);
    } finally {
      await copy[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** The agent's name, by a call that names a thread as Codex does, or none. */
async function nameOf(agent: Agent, threadId?: string): Promise<string> {
  const options = threadId === undefined ? {} : { meta: { threadId } };
  return (await agent.facts("list_peers", {}, options)).you.name;
}

/** Reads until so many messages have come. */
async function readTexts(agent: Agent, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const { messages } = await agent.facts("get_messages", { wait_ms: 10_000 });
    if (messages.length === 0) break;
    for (const { text } of messages) texts.push(text);
  }
  return texts;
}

async function textsIn(operator: Operator): Promise<string[]> {
  return (await operator.history()).map(({ message }) => message?.text ?? "");
}

/** How many streams the home's brokers have seen end. */
async function countStreams(home: TestHome): Promise<number> {
  const log = await readFile(join(home.path, "broker.log"), "utf8");
  return log.split("stream closed").length - 1;
}
