import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ReceiptState, type Receipt } from "../../gen/peerline/v1/message_pb.js";
import { isRunning } from "../../src/endpoint/process-stamp.js";
import type { Agent } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { eventually } from "../support/test-broker.js";
import { Operator } from "./operator.js";

const adapters = 10;
const fightMs = 6000;

let home: TestHome;
let operator: Operator;

beforeEach(async () => {
  home = await TestHome.open();
  operator = new Operator(home.path);
});
afterEach(async () => home[Symbol.asyncDispose]());

test(`${adapters} adapters that fight over one name: each message ends with the peer it was sent to, and nobody flaps`, async () => {
  const [sender] = await home.startAll("sender");
  const read: { name: string; text: string }[] = [];
  const endMs = Date.now() + fightMs;
  const lives = Array.from({ length: adapters }, () => fight(read, endMs));
  let sent = 0;
  while (Date.now() < endMs) {
    for (const { name, peerId } of await fighters()) {
      // Names and ids by turns; the text says who is meant.
      const to = sent % 2 === 0 ? name : peerId;
      await sender.facts("send_message", { to, message: `${++sent} for ${peerId}` });
    }
    await sleep(300);
  }
  const last = await Promise.all(lives);

  await eventually(async () => {
    const online = (await fighters()).filter((peer) => peer.online);
    expect(online).toHaveLength(adapters);
  }, 20_000);
  const settled = await fighters();
  const names = Array.from({ length: adapters }, (_, index) =>
    index === 0 ? "x" : `x-${index + 1}`,
  );
  expect(settled.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  // What was sent last is on its way to its reader for some moments more.
  const records = await eventually(async () => {
    await Promise.all(last.map((agent) => readAll(agent, read)));
    const all = (await operator.history()).filter(
      ({ message }) => message?.from?.name === "sender",
    );
    expect(all.filter(({ receipts }) => receipts.some(isUnread))).toEqual([]);
    return all;
  });

  const idOf = new Map(settled.map(({ name, peerId }) => [name, peerId]));
  for (const { name, text } of read) expect(text, name).toContain(` for ${idOf.get(name)}`);
  expect(records).toHaveLength(sent);
  for (const { message, receipts } of records) {
    const [receipt] = receipts;
    expect(message?.text).toContain(` for ${receipt?.recipient?.peerId}`);
    expect(receipt?.state).toBeGreaterThanOrEqual(ReceiptState.PRESENTED);
    expect(receipt?.state).toBeLessThan(ReceiptState.EXPIRED);
  }

  const before = await Promise.all(last.map((agent) => nameOf(agent)));
  await sleep(1500);
  expect(await Promise.all(last.map((agent) => nameOf(agent)))).toEqual(before);
  expect(new Set(before).size).toBe(adapters);
});

function isUnread({ state }: Receipt): boolean {
  return state < ReceiptState.PRESENTED;
}

/** Starts, reads and kills one adapter after the other; resolves to the last one, which stays. */
async function fight(read: { name: string; text: string }[], endMs: number): Promise<Agent> {
  for (;;) {
    const agent = await home.start("x");
    const killed = sleep(500 + Math.random() * 2500);
    await readAll(agent, read);
    await killed;
    if (Date.now() >= endMs) return agent;
    const { pid } = agent;
    process.kill(pid, "SIGKILL");
    // Its name is free when its process has ended, and not before.
    await eventually(() => expect(isRunning(pid)).toBe(false));
  }
}

/** Reads what waits for the agent, under the name that it has. */
async function readAll(agent: Agent, read: { name: string; text: string }[]): Promise<void> {
  const name = await nameOf(agent);
  for (;;) {
    const { messages, unread } = await agent.facts("get_messages", { wait_ms: 100 });
    for (const { text } of messages) read.push({ name, text });
    if (messages.length === 0 && unread === 0) break;
  }
  expect(await nameOf(agent)).toBe(name);
}

async function fighters() {
  return (await operator.peers()).filter(({ name }) => name !== "sender");
}

async function nameOf(agent: Agent): Promise<string> {
  return (await agent.facts("list_peers")).you.name;
}
