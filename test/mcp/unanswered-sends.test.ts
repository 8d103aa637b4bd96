import { expect, test } from "vitest";
import { maxUnansweredSends } from "../../src/mcp/limits.js";
import { UnansweredSends } from "../../src/mcp/tools/send-message.js";

test("the same call again takes the same id, once; another call does not", () => {
  const unanswered = new UnansweredSends();
  unanswered.add({ to: "api", message: "hi" }, "id-1");
  expect(unanswered.take({ to: "api", message: "hello" })).toBeUndefined();
  expect(unanswered.take({ to: "api", message: "hi" })).toBe("id-1");
  expect(unanswered.take({ to: "api", message: "hi" })).toBeUndefined();
});

test("forgets the oldest beyond the bound", () => {
  const unanswered = new UnansweredSends();
  for (let number = 0; number <= maxUnansweredSends; number++)
    unanswered.add(number, `id-${number}`);
  expect(unanswered.take(0)).toBeUndefined();
  expect(unanswered.take(1)).toBe("id-1");
});
