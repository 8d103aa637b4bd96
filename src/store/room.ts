import { type Bound, StoreError, type StoreErrorCode } from "../broker/store/store.js";
import { deliveryBytes } from "../contract/limits.js";
import { freeShare, type StoreLimits } from "./limits.js";

/** How much of a bound is used, by one sender and by all. */
export interface Use {
  readonly own: number;
  readonly all: number;
}

/** A bound that is reached, and one sentence on it. */
export interface Shortage {
  readonly code: StoreErrorCode;
  readonly message: string;
  readonly bound: Bound;
}

export function shortageError({ code, message, bound }: Shortage): StoreError {
  return new StoreError(code, message, { bound });
}

/** Why a queue has no room for a message of this size from this sender; undefined where it has. */
export function queueProblem(
  name: string,
  open: { messages: Use; bytes: Use },
  sizeBytes: number,
  limits: StoreLimits,
): Shortage | undefined {
  const bounds = [
    { limit: "queue_messages", maximum: limits.maxQueueMessages, use: open.messages, more: 1 },
    { limit: "queue_bytes", maximum: limits.maxQueueBytes, use: open.bytes, more: sizeBytes },
  ];
  const full = bounds.find(({ use, more, maximum }) => exceeds(use.all, more, maximum));
  const used = full ?? bounds.find(({ use, more, maximum }) => exceedsShare(use, more, maximum));
  if (used === undefined) return undefined;
  const why =
    used === full
      ? "is full"
      : `holds ${open.messages.own} messages of yours, which is your share of it`;
  return {
    code: "QUEUE_FULL",
    message: `The queue of ${name} ${why}: send again when it has read some.`,
    bound: { limit: used.limit, maximum: used.maximum },
  };
}

/**
 * Why there is no room to keep a message with one recipient more; undefined where there is.
 *
 * @param sizeBytes of the message; 0 where it is kept already.
 */
export function mailProblem(
  kept: Use,
  sizeBytes: number,
  { maxMailBytes }: StoreLimits,
): Shortage | undefined {
  const more = sizeBytes + deliveryBytes;
  const isFull = exceeds(kept.all, more, maxMailBytes);
  if (!isFull && !exceedsShare(kept, more, maxMailBytes)) return undefined;
  const why = isFull
    ? `${kept.all} bytes of messages and may keep ${maxMailBytes}`
    : `${kept.own} bytes of your messages, which is your share of ${maxMailBytes}`;
  return {
    code: "MAIL_FULL",
    message: `The broker keeps ${why} (mail_bytes): its operator can remove some with \`peerline purge --from NAME\`.`,
    bound: { limit: "mail_bytes", maximum: maxMailBytes },
  };
}

function exceeds(used: number, more: number, max: number): boolean {
  return used + more > max;
}

/**
 * A sender's share is one part in `freeShare` of what is free. A sender alone can use a fifth of all. The
 * more others use, the smaller it is, so that several senders leave room for a newcomer.
 */
function exceedsShare({ own, all }: Use, more: number, max: number): boolean {
  return own > 0 && own + more > (max - all) / freeShare;
}
