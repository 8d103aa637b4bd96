import { expect, onTestFinished, test } from "vitest";
import { maxLineBytes } from "../../src/mcp/limits.js";
import { initialize, initialized, RawAgent, toolCall } from "../mcp/raw-agent.js";
import { startBrokerHome } from "../support/program.js";

test("a line longer than its bound is answered with an error, and the adapter goes on with the next", async () => {
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
  expect((await agent.answer(3)).error).toMatchObject({
    code: -32_600,
    message: expect.stringContaining("more than"),
  });
  const unknown = agent.messages.filter(({ id }) => id === null);
  expect(unknown).toMatchObject([{ error: { code: -32_600 } }]);
  expect(agent.log).toContain("a line of the host is refused");
});
