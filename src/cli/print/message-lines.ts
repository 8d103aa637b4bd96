import { create, toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import stringWidth from "string-width";
import {
  WatchMessagesResponseSchema,
  type WatchMessagesResponse,
  type WatchMessagesResponse_ReceiptMoved,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import {
  ReceiptState,
  Urgency,
  type Message,
  type MessageRecord,
  type Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../clock.js";
import { shortId } from "../../contract/ids.js";
import { brokerName } from "../../contract/names.js";
import { peerText } from "../../contract/peer-text.js";
import { wrap } from "./columns.js";
import { jsonLine, type Output } from "./output.js";
import { clockTime, receiptPhrase, relativeTime } from "./words.js";

/** Prints a message with its receipts. */
export async function printRecord(
  out: Output,
  record: MessageRecord,
  { json, names }: { readonly json: boolean; readonly names: Names },
): Promise<void> {
  if (json) return printJson(out, { case: "accepted", value: record });
  const { message, receipts } = record;
  if (message === undefined) return;
  const nowMs = systemClock.now();
  await out.lines(
    ...messageLines(message, out, nowMs, { names }),
    ...receipts.flatMap((receipt) => whole(`  ${standing(receipt, out, nowMs)}`, out)),
    "",
  );
}

/** What peers are called by now, by their ids; of one that is not here nothing is told. */
type Names = ReadonlyMap<string, string>;

/** Prints that a receipt moved. */
export async function printMoved(
  out: Output,
  moved: WatchMessagesResponse_ReceiptMoved,
  json: boolean,
): Promise<void> {
  if (json) return printJson(out, { case: "receiptMoved", value: moved });
  const { from, messageId, receipt } = moved;
  if (receipt === undefined) return;
  const message = out.color.dim(`id ${shortId(messageId)} from ${from?.name}`);
  await out.lines(...whole(`${standing(receipt, out, systemClock.now())}  ${message}`, out), "");
}

/** The reason in a receipt is a peer's text: no part of it may begin a line. */
function whole(line: string, { width }: Output): string[] {
  return wrap(line, width, { hard: true });
}

async function printJson(out: Output, event: WatchMessagesResponse["event"]): Promise<void> {
  const entry = create(WatchMessagesResponseSchema, { event });
  await out.json(toJson(WatchMessagesResponseSchema, entry, { alwaysEmitImplicit: true }));
}

/** `api  presented 12:03:05`, in the colour of good news, bad news or none yet. */
function standing(receipt: Receipt, { color }: Output, nowMs: number): string {
  const phrase = receiptPhrase(receipt, nowMs);
  return `${color.cyan(receipt.recipient?.name)}  ${paint(receipt.state, color)(phrase)}`;
}

function paint(state: ReceiptState, color: Output["color"]): (text: string) => string {
  if (state === ReceiptState.CONFIRMED || state === ReceiptState.ANSWERED) return color.green;
  if (state === ReceiptState.EXPIRED || state === ReceiptState.DEAD_LETTERED) return color.red;
  return color.yellow;
}

/**
 * One message for a person: who, to whom, when and its id, and below it the body. Each line of the body
 * stands behind a gutter, so that none passes for a receipt or for another message.
 */
export function messageLines(
  message: Message,
  { color, width }: Pick<Output, "color" | "width">,
  nowMs: number,
  { redelivered = false, names = new Map() }: { redelivered?: boolean; names?: Names } = {},
): string[] {
  const { from, to, acceptTime, messageId, inReplyTo, threadId, urgency, text, data } = message;
  const recipients = to.map(({ name }) => color.cyan(name)).join(", ");
  const facts = [`id ${shortId(messageId)}`];
  // The names in front are those of its time.
  const renamed = [from, ...to].flatMap((peer) => {
    const now = names.get(peer?.peerId ?? "") ?? peer?.name;
    return now === peer?.name ? [] : [`${peer?.name} is ${now} now`];
  });
  facts.push(...new Set(renamed));
  if (redelivered) facts.push("may have been shown before");
  if (inReplyTo !== "") facts.push(`answers ${shortId(inReplyTo)}`);
  // Where nobody named the thread, it has the id of a message.
  if (!uuid.test(threadId)) facts.push(`thread ${threadId}`);
  if (acceptTime !== undefined) facts.unshift(sentAt(timestampMs(acceptTime), nowMs));
  const mark = urgencyMarks(color)[urgency];
  return [
    `${color.bold(color.cyan(from?.name))} → ${recipients}  ${mark ?? ""}${color.dim(facts.join(" · "))}`,
    ...guttered(
      peerText(from?.name === brokerName ? forTerminal(text) : text),
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

/** The id in what a person copied: the bare id, `#ID` as the log prints it, or `id ID` as texts write it. */
export function writtenId(text: string): string {
  return text.trim().replace(/^(?:#|id[ :]+)/i, "");
}
