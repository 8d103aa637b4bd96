import { isWaiting } from "../ladder.js";
import { purgeSliceMessages } from "../limits.js";
import type { MessageCheck } from "./damage/message-check.js";
import { removeDelivery } from "./dead-letters.js";
import type { AdvancedRow, Operations } from "./operations.js";
import { receiptOf, soundDelivery, toAdvanced } from "./receipts.js";
import type { Statements } from "./statements.js";

/** Removes what a peer sent, slice by slice. */
export function purgeOperation(
  statements: Statements,
  check: MessageCheck,
): Pick<Operations, "purge"> {
  return {
    purge(from, waiting, after) {
      const removed: AdvancedRow[] = [];
      const slice = statements.messagesOf.all(from, after, purgeSliceMessages);
      for (const { id } of slice) {
        for (const { seq, peerId, senderPeerId, state } of statements.receiptsOf.all(id)) {
          if (senderPeerId !== from || (waiting && !isWaiting(state))) continue;
          const row = statements.getDelivery.one(seq, peerId);
          if (row === undefined) continue;
          const sound = soundDelivery(check, row, () => check.intactBody(row));
          removed.push(toAdvanced(row, sound, receiptOf(sound), true));
          removeDelivery(statements, row);
        }
      }
      const isLast = slice.length < purgeSliceMessages;
      return { removed, next: isLast ? undefined : slice.at(-1)?.id };
    },
  };
}
