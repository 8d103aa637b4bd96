import { expect, test } from "vitest";
import { explainName } from "../../src/mcp/name-note.js";

test.each([
  [{ now: "x", before: undefined, asked: "x" }, undefined],
  [{ now: "api", before: undefined, asked: undefined }, undefined],
  [{ now: "x-2", before: undefined, asked: "x" }, "you are x-2: x is another agent"],
  [
    { now: "backend", before: undefined, asked: "x" },
    "you are backend, as before in this conversation, though PEERLINE_NAME asks for x",
  ],
  [
    { now: "api-2", before: "api", asked: undefined },
    "you are api-2 now: api is another agent from here on",
  ],
])("%j", (names, note) => {
  expect(explainName(names)).toBe(note);
});
