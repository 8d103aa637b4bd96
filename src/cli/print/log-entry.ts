import { create, toJson } from "@bufbuild/protobuf";
import {
  WatchMessagesResponseSchema,
  type WatchMessagesResponse,
  type WatchMessagesResponse_ReceiptMoved,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import {
  ReceiptState,
  type MessageRecord,
  type Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../clock.js";
import { shortId } from "../../contract/ids.js";
import { messageLines } from "./message-lines.js";
import type { Output } from "./output.js";
import { receiptPhrase } from "./receipt-words.js";
import { wrap } from "./columns.js";

/** Prints a message with its receipts. */
export async function printRecord(
  out: Output,
  record: MessageRecord,
  json: boolean,
): Promise<void> {
  if (json) return printJson(out, { case: "accepted", value: record });
  const { message, receipts } = record;
  if (message === undefined) return;
  const nowMs = systemClock.now();
  await out.lines(
    ...messageLines(message, out, nowMs),
    ...receipts.flatMap((receipt) => whole(`  ${standing(receipt, out, nowMs)}`, out)),
    "",
  );
}

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
