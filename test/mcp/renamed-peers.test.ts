import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/test-broker.js";
import { textOf } from "./agent.js";
import { TestHome } from "./test-home.js";

describe("an agent whose colleague was renamed", () => {
  let home: TestHome;

  beforeEach(async () => void (home = await TestHome.open()));
  afterEach(async () => home[Symbol.asyncDispose]());

  test("answers it under the name in the message, and not the newcomer of that name", async () => {
    const [asker, worker] = await home.startAll("asker", "worker");
    await asker.facts("send_message", { to: "worker", message: "what is it?" });
    const { messages } = await worker.facts("get_messages", { wait_ms: 20_000 });
    await asker.facts("set_name", { name: "asker-2" });
    const newcomer = await home.start("asker");
    expect((await newcomer.facts("list_peers")).you.name).toBe("asker");

    const answer = await worker.facts("send_message", {
      to: messages[0].from.name,
      message: "forty-two",
      in_reply_to: messages[0].id,
    });
    expect(answer.recipients).toMatchObject([{ name: "asker-2" }]);
    const got = await asker.facts("get_messages", { wait_ms: 20_000 });
    expect(got.messages).toMatchObject([{ text: "forty-two" }]);
    expect((await newcomer.facts("get_messages")).messages).toEqual([]);

    const stray = await worker.call("send_message", { to: "asker", message: "one more thing" });
    expect(stray.isError).toBe(true);
    expect(textOf(stray)).toMatch(/"asker" is another peer now.*"asker-2" now.*Nothing was sent/s);
    expect((await newcomer.facts("get_messages")).messages).toEqual([]);
  });

  test("is told that a name it was only listed is another's, and from then on means that one", async () => {
    const [api, web] = await home.startAll("api", "web");
    expect((await web.facts("list_peers")).peers).toMatchObject([{ name: "api" }]);
    await api.facts("set_name", { name: "backend" });
    const newcomer = await home.start("api");
    await newcomer.facts("list_peers");

    const stray = await web.call("send_message", { to: "api", message: "hello" });
    expect(textOf(stray)).toMatch(/"api" is another peer now.*"backend" now/);
    const { note } = await web.facts("list_peers");
    expect(note).toBe("api is another agent than the one you knew by that name");
    expect((await web.facts("list_peers")).note).toBeUndefined();
    await web.facts("send_message", { to: "api", message: "hello, newcomer" });
    const got = await newcomer.facts("get_messages", { wait_ms: 20_000 });
    expect(got.messages).toMatchObject([{ text: "hello, newcomer" }]);
  });

  test("is told of a sender that nobody is, and does not wait for it", async () => {
    const [asker, worker] = await home.startAll("asker", "worker");
    const from = (name: string) => worker.failure("get_messages", { from: name, wait_ms: 30_000 });
    expect(await from("askr")).toMatch(/^`from`: no peer is named "askr": did you mean asker\?/);
    expect(await from("qqqqqqqq")).toBe(
      '`from`: no peer is named "qqqqqqqq". list_peers shows who is there.',
    );
    await asker.facts("set_name", { name: "boss" });
    expect(await from("asker")).toMatch(
      /^`from`: no peer is named "asker" any more: the one that was is "boss" now\./,
    );
    expect(await worker.failure("get_messages", { from: "asker", peek: true })).toContain('"boss"');
    expect((await worker.facts("get_messages", { from: "boss" })).messages).toEqual([]);
    expect((await worker.facts("get_messages", { from: "@peerline" })).messages).toEqual([]);
  });

  test("sees what the sender of unread mail is called now, and asks for its mail by either name", async () => {
    const [asker, worker] = await home.startAll("asker", "worker");
    await asker.facts("send_message", { to: "worker", message: "first" });
    await eventually(async () => {
      expect((await worker.facts("list_peers")).unread_from).toEqual(["asker"]);
    });
    await asker.facts("set_name", { name: "asker-2" });
    await eventually(async () => {
      expect((await worker.facts("list_peers")).unread_from).toEqual(["asker-2"]);
    });
    const peeked = await worker.facts("get_messages", { peek: true, from: "asker" });
    expect(peeked.senders).toEqual([{ name: "asker-2", count: 1 }]);
    const { messages } = await worker.facts("get_messages", { from: "asker-2" });
    expect(messages).toMatchObject([{ from: { name: "asker", now: "asker-2" }, text: "first" }]);

    // A newcomer's mail is told from its predecessor's.
    const newcomer = await home.start("asker");
    await newcomer.facts("send_message", { to: "worker", message: "it is me" });
    const got = await worker.facts("get_messages", { wait_ms: 20_000 });
    expect(got.messages[0].from).toEqual({ name: "asker" });
    expect(got.note).toContain("asker is another agent than the one you knew by that name");
  });
});
