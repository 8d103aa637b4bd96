import stringWidth from "string-width";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Urgency, type Message } from "../../../gen/peerline/v1/message_pb.js";
import { peerText } from "../../contract/peer-text.js";
import { shortId } from "../../contract/ids.js";
import { clockTime, relativeTime } from "./time-words.js";
import { jsonLine, type Output } from "./output.js";
import { wrap } from "./columns.js";

/**
 * One message for a person: who, to whom, when and its id, and below it the body. Each line of the body
 * stands behind a gutter, so that none passes for a receipt or for another message.
 */
export function messageLines(
  message: Message,
  { color, width }: Pick<Output, "color" | "width">,
  nowMs: number,
  { redelivered = false, senderNow = "" } = {},
): string[] {
  const { from, to, acceptTime, messageId, inReplyTo, threadId, urgency, text, data } = message;
  const names = to.map(({ name }) => color.cyan(name)).join(", ");
  const facts = [`id ${shortId(messageId)}`];
  // The name in front is the one it had.
  if (senderNow !== "") facts.push(`${from?.name} is ${senderNow} now`);
  if (redelivered) facts.push("may have been shown before");
  if (inReplyTo !== "") facts.push(`answers ${shortId(inReplyTo)}`);
  // Where nobody named the thread, it has the id of a message.
  if (!uuid.test(threadId)) facts.push(`thread ${threadId}`);
  if (acceptTime !== undefined) facts.unshift(sentAt(timestampMs(acceptTime), nowMs));
  const mark = urgencyMarks(color)[urgency];
  return [
    `${color.bold(color.cyan(from?.name))} → ${names}  ${mark ?? ""}${color.dim(facts.join(" · "))}`,
    ...guttered(
      peerText(from?.name === "@peerline" ? forTerminal(text) : text),
      `  ${color.dim("│")} `,
      width,
    ),
    ...(data === undefined ? [] : guttered(jsonLine(data), `  ${color.dim("data │")} `, width)),
  ];
}

/** The broker's own notices name a tool of agents, which a terminal does not have. No peer has its name. */
function forTerminal(notice: string): string {
  return notice.replaceAll("(message_status tells ", "(`peerline show ID` tells ");
}

/** A terminal would go on at its edge with what is too wide for it, before the gutter. */
function guttered(text: string, gutter: string, width: number): string[] {
  const room = Math.max(1, width - stringWidth(gutter));
  return text
    .split("\n")
    .flatMap((line) =>
      room === Number.POSITIVE_INFINITY
        ? line
        : wrap(line.replaceAll("\t", "    "), room, { hanging: 0, hard: true }),
    )
    .map((line) => gutter + line);
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

function sentAt(timeMs: number, nowMs: number): string {
  return `${clockTime(timeMs, nowMs)} (${relativeTime(timeMs, nowMs)})`;
}

function urgencyMarks(color: Output["color"]): Partial<Record<Urgency, string>> {
  return {
    [Urgency.INTERRUPT]: `${color.red("interrupt")}  `,
    [Urgency.FYI]: `${color.dim("fyi")}  `,
  };
}

/** A message's id as a person copies it: also as it stands in the log, and as it is written of. */
export function writtenId(text: string): string {
  return text.trim().replace(/^(?:#|id[ :]+)/i, "");
}
