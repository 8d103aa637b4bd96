import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { climb } from "../ladder.js";
import { maxBacklogSenders } from "../limits.js";
import type { Position } from "../queue-readers.js";
import type { MessageCheck } from "./damage/message-check.js";
import type { AdvancedRow, Operations, TakenRow } from "./operations.js";
import { receiptOf, soundDelivery, toAdvanced, writeReceipt } from "./receipts.js";
import type { Statements } from "./statements.js";

const deadLettered = { state: ReceiptState.DEAD_LETTERED, reason: "its stored bytes are damaged" };

export function openMailOperations(
  statements: Statements,
  check: MessageCheck,
): Pick<Operations, "take" | "backlog"> {
  return {
    take(peerId, position, { maxMessages, maxBytes }, nowMs) {
      const messages: TakenRow[] = [];
      const damaged: AdvancedRow[] = [];
      let reach = 0;
      let bytes = 0;
      for (const row of open(peerId, position)) {
        const exceeds = messages.length > 0 && bytes + row.sizeBytes > maxBytes;
        if (messages.length >= maxMessages || exceeds) break;
        reach = row.seq;
        const body = check.intactBody(row);
        const sound = soundDelivery(check, row, () => body);
        if (sound.isVoid) {
          writeReceipt(statements, sound, receiptOf(sound));
          damaged.push(toAdvanced(row, sound, receiptOf(sound), true));
          continue;
        }
        const before = receiptOf(sound);
        const change = body === undefined ? deadLettered : { state: ReceiptState.LEASED };
        const { receipt, moved } = climb(before, change, nowMs);
        if (moved) writeReceipt(statements, sound, receipt);
        if (body === undefined) {
          damaged.push(toAdvanced(row, sound, receipt, moved));
          continue;
        }
        const redelivered = sound.redriven === 1 || before.state !== ReceiptState.QUEUED;
        messages.push({ body, receipt, redelivered });
        bytes += sound.sizeBytes;
      }
      return { messages, damaged, reach };
    },

    backlog(peerId, { after, returned }) {
      const returnedRows = returned.flatMap((seq) => statements.openAt.all(peerId, seq));
      const unread = statements.countOpenAfter.one(peerId, after)?.messages ?? 0;
      const oldest = statements.sendersAfter
        .all(peerId, after, maxBacklogSenders)
        .flatMap(({ seq }) => statements.openAt.all(peerId, seq));
      const names = new Map<string, string>();
      for (const { senderPeerId, fromName } of [...returnedRows, ...oldest]) {
        if (!names.has(senderPeerId)) names.set(senderPeerId, fromName);
      }
      return {
        unread: returnedRows.length + unread,
        senders: [...names]
          .slice(0, maxBacklogSenders)
          .map(([senderPeerId, name]) => ({ peerId: senderPeerId, name })),
      };
    },
  };

  /** Row by row, since each is read with its body and the credit may end with any. */
  function* open(peerId: string, { returned, after }: Position) {
    for (const seq of returned) yield* statements.openAt.all(peerId, seq);
    for (let seq = after; ;) {
      const row = statements.openAfter.one(peerId, seq);
      if (row === undefined) return;
      yield row;
      seq = row.seq;
    }
  }
}
