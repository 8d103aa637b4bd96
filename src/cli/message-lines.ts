import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Urgency, type Message } from "../../gen/peerline/v1/message_pb.js";
import { shortId } from "../mcp/short-id.js";
import { clockTime } from "./clock-time.js";
import { jsonLine } from "./json-line.js";
import type { Output } from "./output.js";
import { printable } from "./printable.js";
import { relativeTime } from "./relative-time.js";

/** One message for a person: who, to whom, when and its id on one line, the text indented below. */
export function messageLines(
  message: Message,
  color: Output["color"],
  nowMs: number,
  redelivered = false,
): string[] {
  const { from, to, acceptTime, messageId, inReplyTo, threadId, urgency, text, data } = message;
  const names = to.map(({ name }) => color.cyan(name)).join(", ");
  const facts = [`id ${shortId(messageId)}`];
  if (redelivered) facts.push("may have been shown before");
  if (inReplyTo !== "") facts.push(`answers ${shortId(inReplyTo)}`);
  // Where nobody named the thread, it has the id of a message.
  if (!uuid.test(threadId)) facts.push(`thread ${threadId}`);
  if (acceptTime !== undefined) facts.unshift(sentAt(timestampMs(acceptTime), nowMs));
  const mark = urgencyMarks(color)[urgency];
  return [
    `${color.bold(color.cyan(from?.name))} → ${names}  ${mark ?? ""}${color.dim(facts.join(" · "))}`,
    ...printable(text)
      .split("\n")
      .map((line) => `  ${line}`),
    ...(data === undefined ? [] : [`  ${color.dim("data")} ${jsonLine(data)}`]),
  ];
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

function sentAt(timeMs: number, nowMs: number): string {
  return `${clockTime(timeMs, nowMs)} (${relativeTime(timeMs, nowMs)})`;
}

function urgencyMarks(color: Output["color"]): Partial<Record<Urgency, string>> {
  return {
    [Urgency.INTERRUPT]: `${color.red("urgent")}  `,
    [Urgency.FYI]: `${color.dim("fyi")}  `,
  };
}
