import { expect, onTestFinished, test } from "vitest";
import { maxLineBytes } from "../../src/mcp/limits.js";
import { initialize, initialized, RawAgent, toolCall } from "../mcp/raw-agent.js";
import { startBrokerHome } from "../support/program.js";

test("a line longer than its bound is dropped, and the adapter goes on with the next", async () => {
  const home = await startBrokerHome();
  onTestFinished(() => home[Symbol.asyncDispose]());
  const agent = new RawAgent(home.path);
  onTestFinished(() => agent[Symbol.asyncDispose]());
  agent.write(initialize, initialized, toolCall(2, "list_peers"));
  await agent.answer(2);
  const long = toolCall(3, "send_message", { to: "x", message: "x".repeat(maxLineBytes) });
  agent.write(long, toolCall(4, "list_peers"), "x".repeat(3 * maxLineBytes));
  agent.write(toolCall(5, "list_peers"));
  expect((await agent.answer(4)).result.isError).toBeUndefined();
  expect((await agent.answer(5)).result.isError).toBeUndefined();
  expect(agent.messages.filter(({ id }) => id === 3)).toEqual([]);
  expect(agent.log).toContain("exceeded maximum size");
});
