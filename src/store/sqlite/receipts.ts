import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Message, MessageSchema, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store/store.js";
import { shortageError } from "../room.js";
import { climb, queuedReceipt, type StoredReceipt } from "../stored-message.js";
import { noSums } from "./damage/checksums.js";
import type { Quarantine } from "./damage/quarantine.js";
import type { AdvancedRow, Operations } from "./operations.js";
import type { Room } from "./room.js";
import {
  deliverySelect,
  mailSelect,
  type SettledRow,
  settledSelect,
  type ReadDelivery,
  type ReadMail,
  type Statement,
  type Statements,
} from "./statements.js";
import { type DeliveryRow, deliveryTable } from "./tables.js";

type ReceiptOperations = Pick<Operations, "advance" | "getReceipt" | "redrive">;

export function receiptOperations(
  statements: Statements,
  quarantine: Quarantine,
  room: Room,
): ReceiptOperations {
  const mailAt = mailBySeq(statements);
  const settledAt = statements.prepare<SettledRow>(
    `${settledSelect} WHERE d.seq = :seq AND d.peer_id = :peerId`,
  );
  const write = receiptWriter(statements);

  return {
    /** A damaged message moves like any other, so that it can be settled. Its body is read only where it is needed. */
    advance(peerId, seq, change, nowMs) {
      const row = settledAt.one({ seq, peerId });
      if (row === undefined) {
        throw new StoreError("NOT_FOUND", `The queue of ${peerId} has no message ${seq}.`);
      }
      const sound = soundDelivery(quarantine, row, () => {
        const mail = mailAt.one({ seq, peerId });
        return mail && quarantine.intactBody(mail);
      });
      const { receipt, moved } = climb(receiptOf(sound), change, nowMs);
      const isSetAside = sound.isVoid && row.state !== ReceiptState.DEAD_LETTERED;
      write(sound, receipt);
      return toAdvanced(row, sound, receipt, moved || isSetAside);
    },

    getReceipt(peerId, seq) {
      const row = mailAt.one({ seq, peerId });
      if (row === undefined) return undefined;
      if (!quarantine.isIntact(row) || quarantine.intactBody(row) === undefined) {
        throw new StoreError("DATA_LOSS", `The message ${seq} of ${peerId} is damaged.`);
      }
      return toAdvanced(row, row, receiptOf(row), false);
    },

    redrive(peerId, seq) {
      const row = deadLetter(mailAt, peerId, seq);
      const sound = soundDelivery(quarantine, row, () => quarantine.intactBody(row));
      if (sound.isVoid) {
        throw new StoreError("DATA_LOSS", `The message ${seq} of ${peerId} is damaged.`);
      }
      const { senderPeerId, sizeBytes, peerName: name } = sound;
      const problem = room.problemOfQueue({ peerId, name }, senderPeerId, sizeBytes);
      if (problem !== undefined) throw shortageError(problem);
      const receipt = queuedReceipt(sound);
      write({ ...sound, redriven: 1 }, receipt);
      return toAdvanced(row, sound, receipt, true);
    },
  };
}

type MailBySeq = Statement<ReadMail>;

export function mailBySeq(statements: Statements): MailBySeq {
  return statements.prepare(`${mailSelect} WHERE d.seq = :seq AND d.peer_id = :peerId`);
}

export function deliveriesOf(statements: Statements): Statement<ReadDelivery> {
  return statements.prepare(`${deliverySelect} WHERE d.message = :id ORDER BY d.seq`);
}

export function deadLetter(mailAt: MailBySeq, peerId: string, seq: number): ReadMail {
  const row = mailAt.one({ seq, peerId });
  if (row?.state === ReceiptState.DEAD_LETTERED) return row;
  throw new StoreError("NOT_FOUND", `The message ${seq} of ${peerId} is not dead-lettered.`);
}

/** A delivery that may be acted on. */
export type SoundDelivery = DeliveryRow & {
  /** Both it and its message are damaged. */
  readonly isVoid: boolean;
};

/**
 * The row as it was written. A damaged row whose message is intact still says that the message is for this
 * recipient: it is QUEUED again and offered as redelivered. Where both are damaged, it is a dead letter.
 */
export function soundDelivery(
  quarantine: Quarantine,
  row: ReadDelivery,
  intactBody: () => Uint8Array | undefined,
): SoundDelivery {
  if (quarantine.isIntact(row)) return { ...row, isVoid: false };
  const body = intactBody();
  const message = body && fromBinary(MessageSchema, body);
  const forgotten = message && forgottenDelivery(row, message);
  if (forgotten !== undefined) return { ...forgotten, isVoid: false };
  const { seq, id, peerId, peerName, senderPeerId, expireTimeMs } = row;
  const queuedMs = row.queuedMs ?? 0;
  return {
    ...queuedReceipt({ seq, peerId, peerName, queuedMs }),
    state: ReceiptState.DEAD_LETTERED,
    endedMs: queuedMs,
    reason: "its stored receipt is damaged",
    id,
    senderPeerId,
    expireTimeMs,
    sizeBytes: row.sizeBytes ?? 0,
    redriven: 0,
    isVoid: true,
  };
}

/** A delivery of a message whose receipt is lost; undefined where the message is not for this peer. */
export function forgottenDelivery(
  { seq, id, peerId }: Pick<DeliveryRow, "seq" | "id" | "peerId">,
  message: Message,
): DeliveryRow | undefined {
  const recipient = message.to.find((one) => one.peerId === peerId);
  const { from, acceptTime, expireTime } = message;
  if (recipient === undefined || !from || !acceptTime || !expireTime) return undefined;
  const queuedMs = timestampMs(acceptTime);
  return {
    ...queuedReceipt({ seq, peerId, peerName: recipient.name, queuedMs }),
    id,
    senderPeerId: from.peerId,
    sizeBytes: toBinary(MessageSchema, message).byteLength,
    expireTimeMs: timestampMs(expireTime),
    redriven: 1,
  };
}

/** Writes a delivery with a receipt. One that is void stays marked as damaged. */
export function receiptWriter(
  statements: Statements,
): (row: SoundDelivery, receipt: StoredReceipt) => void {
  const update = statements.update(deliveryTable);
  return (row, receipt) =>
    update({ ...row, ...receipt }, row.isVoid ? noSums(deliveryTable) : undefined);
}

/** The receipt alone, out of a row that holds more. */
export function receiptOf(row: StoredReceipt): StoredReceipt {
  const { seq, peerId, peerName, state, queuedMs, leasedMs, presentedMs } = row;
  const { confirmedMs, answeredMs, endedMs, confirmedBy, attempts, reason } = row;
  const times = { queuedMs, leasedMs, presentedMs, confirmedMs, answeredMs, endedMs };
  return { seq, peerId, peerName, state, ...times, confirmedBy, attempts, reason };
}

/** The name and the message id are empty where the message is gone. */
export function toAdvanced(
  { fromName, messageId }: Pick<ReadMail, "fromName" | "messageId">,
  { senderPeerId: fromPeerId }: DeliveryRow,
  receipt: StoredReceipt,
  moved: boolean,
): AdvancedRow {
  return { fromPeerId, fromName, messageId, receipt, moved };
}
