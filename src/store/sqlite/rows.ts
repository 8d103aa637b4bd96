import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type Message,
  type MessageRecord,
  MessageRecordSchema,
  MessageSchema,
  PeerRefSchema,
} from "../../../gen/peerline/v1/message_pb.js";
import type { AdvancedReceipt, EnqueueResult, QueuedMessage } from "../../broker/store/queues.js";
import { StoreError } from "../../broker/store/store.js";
import { queuedReceipt, toReceipt } from "../stored-message.js";
import type { AdvancedRow, EnqueueOutcome, RecordRow, TakenRow } from "./operations.js";

/** Of a new message the receipt is the first one, also where a reader hands it out already. */
export function toEnqueueResult(outcome: EnqueueOutcome, message: Message): EnqueueResult {
  if (!outcome.ok) {
    const { code, message: words, bound } = outcome;
    return { ok: false, error: new StoreError(code, words, { bound }) };
  }
  const { duplicate, receipt } = outcome;
  return {
    ok: true,
    duplicate,
    message,
    receipt: toReceipt(duplicate ? receipt : queuedReceipt(receipt)),
  };
}

export function toAdvanced({ fromPeerId, fromName, ...row }: AdvancedRow): AdvancedReceipt {
  return {
    from: create(PeerRefSchema, { peerId: fromPeerId, name: fromName }),
    messageId: row.messageId,
    receipt: toReceipt(row.receipt),
    moved: row.moved,
  };
}

export function toRecord({ body, receipts }: RecordRow): MessageRecord {
  return create(MessageRecordSchema, {
    message: fromBinary(MessageSchema, body),
    receipts: receipts.map(toReceipt),
  });
}

export function toQueued({ body, receipt, redelivered }: TakenRow): QueuedMessage {
  return {
    message: fromBinary(MessageSchema, body),
    receipt: toReceipt(receipt),
    sizeBytes: body.byteLength,
    redelivered,
  };
}
