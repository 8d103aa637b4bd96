import type { Bound, StoreErrorCode } from "../broker/store.js";
import { deliveryBytes, freeShare, type StoreLimits } from "./limits.js";

/** What is used of something bounded: by one sender, and by all. */
export interface Use {
  readonly own: number;
  readonly all: number;
}

/** What there is no room in, and why, as a sentence. */
export interface Shortage {
  readonly code: StoreErrorCode;
  readonly message: string;
  readonly bound: Bound;
}

/** Why a queue takes no message of this size from this sender; undefined where it does. */
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
 * Why a message with one recipient more is not kept; undefined where it is.
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
 * A sender's share is the `freeShare`th part of what is free: a fifth where it is alone, and less the
 * more others use, so that several together leave room for a newcomer, too.
 */
function exceedsShare({ own, all }: Use, more: number, max: number): boolean {
  return own > 0 && own + more > (max - all) / freeShare;
}
