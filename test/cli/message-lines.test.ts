import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import pc from "picocolors";
import { expect, test } from "vitest";
import { MessageSchema, Urgency, type Message } from "../../gen/peerline/v1/message_pb.js";
import { messageLines } from "../../src/cli/message-lines.js";

const plain = pc.createColors(false);
const nowMs = new Date(2026, 10, 22, 12, 3, 5).getTime();

test("a message shows who, to whom, when, its id and its text", () => {
  expect(messageLines(message({}), plain, nowMs)).toEqual([
    "data-layer → api, web  12:00:05 (3 min ago) · id 3f2a9c01",
    "  UserResponse:",
    "  removed legacyId",
  ]);
});

test("it says what it answers and how urgent it is", () => {
  const [line] = messageLines(
    message({
      inReplyTo: "0193b0c4-0000-7000-8000-0000deadbeef",
      urgency: Urgency.INTERRUPT,
    }),
    plain,
    nowMs,
  );
  expect(line).toBe(
    "data-layer → api, web  urgent  12:00:05 (3 min ago) · id 3f2a9c01 · answers deadbeef",
  );
});

test("a thread with a name of its own and structured data are shown", () => {
  const data = { file: "user.ts", mark: "\u202E" };
  const lines = messageLines(message({ threadId: "refactor", data }), plain, nowMs);
  expect(lines[0]).toContain(" · thread refactor");
  expect(lines.at(-1)).toBe(String.raw`  data {"file":"user.ts","mark":"\u202e"}`);
});

test("a peer's text cannot act on the terminal nor leave its indent", () => {
  const lines = messageLines(message({ text: "a\u001B[2J\rpeerline: fake" }), plain, nowMs);
  expect(lines.slice(1)).toEqual(["  a", "  peerline: fake"]);
});

function message(
  fields: Partial<Pick<Message, "text" | "data" | "threadId" | "inReplyTo" | "urgency">>,
) {
  return create(MessageSchema, {
    messageId: "0193b0c4-0000-7000-8000-00003f2a9c01",
    from: { name: "data-layer" },
    to: [{ name: "api" }, { name: "web" }],
    text: "UserResponse:\nremoved legacyId",
    threadId: "0193b0c4-0000-7000-8000-00003f2a9c01",
    acceptTime: timestampFromMs(nowMs - 180_000),
    ...fields,
  });
}
