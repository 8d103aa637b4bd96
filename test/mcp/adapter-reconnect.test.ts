import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sleep } from "../../src/clock.js";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { TestHome } from "./test-home.js";

describe("an adapter whose line is cut", () => {
  let home: TestHome;

  beforeEach(async () => void (home = await TestHome.open()));
  afterEach(async () => home[Symbol.asyncDispose]());

  test("sends under way when the broker is killed succeed, once", async () => {
    const [api, web] = await home.startAll("api", "web");
    const send = (number: number) =>
      web.facts("send_message", { to: "api", message: `message ${number}` });
    const sends = Array.from({ length: 10 }, (_, index) => send(index));
    const pid = await home.brokerPid();
    process.kill(pid, "SIGSTOP");
    sends.push(...Array.from({ length: 10 }, (_, index) => send(10 + index)));
    await sleep(200);
    process.kill(pid, "SIGKILL");
    sends.push(send(20));
    for (const { recipients } of await Promise.all(sends)) {
      expect(recipients).toMatchObject([{ name: "api" }]);
    }
    const texts = await readTexts(api, 21);
    expect(texts).toHaveLength(21);
    expect(new Set(texts).size).toBe(21);
  });

  test("mail that waits in the adapter when the broker is killed is shown once", async () => {
    const [api, web] = await home.startAll("api", "web");
    const sent = await web.facts("send_message", { to: "api", message: "survives" });
    await eventually(async () => {
      const { unread } = await api.facts("list_peers");
      expect(unread).toBe(1);
    });
    await home.killBroker("SIGKILL");
    expect((await api.facts("get_messages")).messages).toMatchObject([{ id: sent.message_id }]);
    await home.killBroker("SIGKILL");
    expect((await api.facts("get_messages", { wait_ms: 500 })).messages).toEqual([]);
    await eventually(async () => {
      const { receipts } = await web.facts("message_status", { message_id: sent.message_id });
      expect(receipts).toMatchObject([{ state: "confirmed" }]);
    });
  });

  test("mail that an adapter held when it was killed goes to the agent's next one", async () => {
    const [api, web] = await home.startAll("api", "web");
    await web.facts("send_message", { to: "api", message: "unread" });
    await eventually(async () => expect((await api.facts("list_peers")).unread).toBe(1));
    process.kill(api.pid, "SIGKILL");
    const again = await home.start("api");
    const { messages } = await again.facts("get_messages", { wait_ms: 20_000 });
    expect(messages).toMatchObject([{ text: "unread" }]);
    expect((await again.facts("list_peers")).you).toEqual({ name: "api" });
  });

  test("an agent whose name was taken while it was away becomes another, and is told", async () => {
    const [api, web] = await home.startAll("api", "web");
    await web.facts("send_message", { to: "api", message: "for api" });
    await eventually(async () => expect((await api.facts("list_peers")).unread).toBe(1));
    process.kill(api.pid, "SIGSTOP");
    await home.killBroker("SIGKILL");
    const newcomer = await home.start("api");
    const { you } = await newcomer.facts("list_peers");
    expect(you).toEqual({ name: "api" });
    process.kill(api.pid, "SIGCONT");
    await eventually(async () => {
      const mine = await api.facts("list_peers");
      expect(mine.you).toEqual({ name: "api-2" });
      expect(mine.unread).toBe(0);
      expect(mine.note).toBe("you are api-2 now: api is another agent from here on");
    });
    expect(await readTexts(newcomer, 1)).toEqual(["for api"]);
    expect((await api.facts("get_messages", { wait_ms: 500 })).messages).toEqual([]);
  });

  test("more mail than the credit allows is counted, and comes in order as it is read", async () => {
    const [api, web] = await home.startAll("api", "web");
    const texts = Array.from({ length: 90 }, (_, index) => `message ${index}`);
    for (const message of texts) {
      await eventually(() => web.facts("send_message", { to: "api", message }), 15_000);
    }
    await eventually(async () => {
      expect(await api.facts("list_peers")).toMatchObject({ unread: 90, unread_from: ["web"] });
    });
    expect(await readTexts(api, 90)).toEqual(texts);
  });

  test("a message whose time runs out unread is never shown, and its sender can see that", async () => {
    const [api, web] = await home.startAll("api", "web");
    const { message_id } = await web.facts("send_message", {
      to: "api",
      message: "quick",
      expires_in: "1s",
    });
    await eventually(async () => {
      const { receipts } = await web.facts("message_status", { message_id });
      expect(receipts).toMatchObject([{ name: "api", state: "expired" }]);
    });
    expect((await api.facts("get_messages")).messages).toEqual([]);
  });
});

/** Reads until this many messages were seen, then once more: there must be no other. */
async function readTexts(agent: Agent, count: number): Promise<string[]> {
  const texts: string[] = [];
  const read = async (wait_ms: number) => {
    const { messages } = await agent.facts("get_messages", { wait_ms });
    texts.push(...messages.map((message: { text: string }) => message.text));
  };
  await eventually(async () => {
    await read(1000);
    expect(texts.length).toBeGreaterThanOrEqual(count);
  }, 15_000);
  await read(500);
  return texts;
}
