import { expect, test } from "vitest";
import { explainName } from "../../src/mcp/agent-identity.js";

const x = { name: "x", written: "x" };

test.each([
  [{ now: "x", before: undefined, asked: x }, undefined],
  [{ now: "api", before: undefined, asked: undefined }, undefined],
  [{ now: "x-2", before: undefined, asked: x }, "you are x-2: x is another agent"],
  [
    { now: "backend", before: undefined, asked: x },
    "you are backend, as before in this conversation, though PEERLINE_NAME asks for x",
  ],
  [
    { now: "api-2", before: "api", asked: undefined },
    "you are api-2 now: api is another agent from here on",
  ],
  [
    { now: "web", before: "web", asked: undefined },
    "your old peer is gone (its broker's home was removed, or the operator deleted it): you are a new peer, also named web; mail to the old one is not yours",
  ],
  [
    {
      now: "back-end",
      before: undefined,
      asked: { name: "back-end", written: "Back\u0007 <End>" },
    },
    'you are back-end: PEERLINE_NAME was "Back <End>", and names hold only a-z, 0-9, dot, underscore and hyphen',
  ],
  [
    { now: "proj", before: undefined, asked: { problem: "is reserved", written: "y".repeat(200) } },
    `you are proj, since PEERLINE_NAME=${"y".repeat(60)}… is reserved`,
  ],
  [
    { now: "proj-2", before: undefined, asked: undefined, lost: "proj" },
    "you are proj-2: proj, which this conversation was before, is another's now",
  ],
  [
    { now: "proj", before: undefined, asked: undefined, inherited: 1 },
    "you go on as proj, which another conversation was before: the message that waits was sent to it before you came",
  ],
  [
    { now: "x-2", before: undefined, asked: x, inherited: 3 },
    "you are x-2: x is another agent; you go on as x-2, which another conversation was before: the 3 messages that wait were sent to it before you came",
  ],
  [{ now: "x", before: undefined, asked: x, inherited: 3 }, undefined],
])("%j", (names, note) => {
  expect(explainName({ lost: undefined, inherited: 0, ...names })).toBe(note);
});
