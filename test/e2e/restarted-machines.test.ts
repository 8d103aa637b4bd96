import { beforeEach, expect, test, vi } from "vitest";
import type { Agent } from "../mcp/agent.js";
import { isRunning, TestHome } from "../mcp/test-home.js";
import { eventually } from "../support/test-broker.js";
import { Operator } from "./operator.js";
import { commandOf, openTwoHomes, SharedHome } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000 });

let laptop: SharedHome;
let desktop: TestHome;

beforeEach(async () => {
  ({ laptop, desktop } = await openTwoHomes());
  await commandOf(desktop.path, "join", await laptop.share());
});

test("a joined machine keeps its agents' names and mail when the broker's machine restarts", async () => {
  const [api] = await laptop.startAll("api");
  const [web, worker] = [await desktop.start("web"), await desktop.start("worker")];
  await eventually(async () => expect(await namesSeenBy(api)).toEqual(["web", "worker"]));
  const ids = await idsOf("web", "worker");
  await api.facts("send_message", { to: "web", message: "before the restart" });

  // The machine is off: its agents end with it, and its broker with kill -9.
  await kill(api);
  await laptop.killBroker("SIGKILL");
  expect(await web.failure("send_message", { to: "api", message: "lost" })).toContain(
    "cannot be reached",
  );
  expect(await desktop.brokerPid().catch(() => "none")).toBe("none");

  // It is on again: the first agent there starts the broker.
  const [again] = await laptop.startAll("api");
  await eventually(async () => expect(await namesSeenBy(again)).toEqual(["web", "worker"]));
  expect(await idsOf("web", "worker")).toEqual(ids);
  expect(await textsOf(web)).toEqual(["before the restart"]);
  await again.facts("send_message", { to: "worker", message: "after the restart" });
  expect(await textsOf(worker)).toEqual(["after the restart"]);
  await eventually(() => web.facts("send_message", { to: "api", message: "and back" }));
  expect(await textsOf(again)).toEqual(["and back"]);
});

test("an agent of a joined machine that restarts has its name again, and its unread mail comes", async () => {
  const [api] = await laptop.startAll("api");
  const web = await desktop.start("web");
  await eventually(async () => expect(await namesSeenBy(api)).toEqual(["web"]));
  const [id] = await idsOf("web");
  await api.facts("send_message", { to: "web", message: "read before" });
  expect(await textsOf(web)).toEqual(["read before"]);
  await kill(web);
  await api.facts("send_message", { to: "web", message: "while it was off" });
  await laptop.killBroker("SIGKILL");

  const again = await desktop.start("web");
  await eventually(async () => expect(await namesSeenBy(api)).toEqual(["web"]));
  expect(await idsOf("web")).toEqual([id]);
  const shown: { text: string; redelivered?: boolean }[] = [];
  await eventually(async () => {
    shown.push(...(await again.facts("get_messages", { wait_ms: 300 })).messages);
    expect(shown.map(({ text }) => text)).toContain("while it was off");
  });
  // What was shown and not confirmed before the kill may come again, and says so.
  expect(shown.filter(({ text }) => text !== "while it was off")).toEqual(
    shown.length > 1 ? [expect.objectContaining({ text: "read before", redelivered: true })] : [],
  );
});

async function kill(agent: Agent): Promise<void> {
  const { pid } = agent;
  process.kill(pid, "SIGKILL");
  await eventually(() => expect(isRunning(pid)).toBe(false));
}

async function namesSeenBy(agent: Agent): Promise<string[]> {
  const { peers } = (await agent.facts("list_peers")) as {
    peers: { name: string; online?: boolean }[];
  };
  return peers.map(({ name }) => name).toSorted();
}

async function idsOf(...names: string[]): Promise<string[]> {
  const peers = await new Operator(laptop.path).peers();
  return names.map((name) => peers.find((peer) => peer.name === name)?.peerId ?? "none");
}

/** The texts that come to an agent, once some have come. */
async function textsOf(agent: Agent): Promise<string[]> {
  return eventually(async () => {
    const { messages } = (await agent.facts("get_messages", { wait_ms: 300 })) as {
      messages: { text: string }[];
    };
    expect(messages).not.toEqual([]);
    return messages.map(({ text }) => text);
  });
}
