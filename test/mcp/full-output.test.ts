import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { initialize, initialized, RawAgent, toolCall } from "./raw-agent.js";
import { TestHome } from "./test-home.js";

/** Lists of tools, some kilobytes each: more than any system keeps between two processes. */
const fillingCalls = 600;

describe("a host that does not read what it is answered", () => {
  let home: TestHome;
  let sender: Agent;
  let reader: RawAgent;

  beforeEach(async () => {
    home = await TestHome.open();
    sender = await home.start("sender");
    reader = new RawAgent(home.path, { PEERLINE_NAME: "reader" });
    reader.write(initialize, initialized, toolCall(2, "list_peers"));
    await reader.answer(2);
  });
  afterEach(async () => {
    await reader[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  test("was presented nothing until it does", async () => {
    const { message_id } = await sender.facts("send_message", { to: "reader", message: "hello" });
    const state = async (): Promise<string> =>
      (await sender.facts("message_status", { message_id })).receipts[0].state;
    await eventually(async () => expect(await state()).toBe("leased"));

    reader.child.stdout.pause();
    for (let call = 0; call < fillingCalls; call += 1) {
      reader.write({ jsonrpc: "2.0", id: `filling ${call}`, method: "tools/list" });
    }
    reader.write(toolCall(3, "get_messages"));
    // The broker hears of what comes after that result, and has not heard of it.
    await eventually(async () => {
      reader.write(toolCall(4, "set_summary", { summary: "after" }));
      const { peers } = await sender.facts("list_peers");
      expect(peers).toMatchObject([{ name: "reader", summary: "after" }]);
    });
    expect(await state()).toBe("leased");

    reader.child.stdout.resume();
    expect((await reader.answer(3)).result.structuredContent.messages).toMatchObject([
      { text: "hello" },
    ]);
    await eventually(async () => expect(await state()).toBe("presented"));
  });

  test("confirms nothing by a call that wants no answer", async () => {
    const { message_id } = await sender.facts("send_message", { to: "reader", message: "hello" });
    const state = async (): Promise<string> =>
      (await sender.facts("message_status", { message_id })).receipts[0].state;
    reader.write(toolCall(3, "get_messages", { wait_ms: 20_000 }));
    await reader.answer(3);
    await eventually(async () => expect(await state()).toBe("presented"));
    const { id: _, ...notification } = toolCall(4, "list_peers");
    reader.write(notification, { jsonrpc: "2.0", id: 5, method: "ping" });
    await reader.answer(5);
    // A report would take some milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(await state()).toBe("presented");

    reader.write(toolCall(6, "list_peers"));
    await eventually(async () => expect(await state()).toBe("confirmed"));
  });
});
