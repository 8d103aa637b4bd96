import { deliveryBytes, freeShare, type StoreLimits } from "./limits.js";

/** What is used of something bounded: by one sender, and by all. */
export interface Use {
  readonly own: number;
  readonly all: number;
}

/** Why a queue takes no message of this size from this sender, as a sentence; undefined where it does. */
export function queueProblem(
  name: string,
  open: { messages: Use; bytes: Use },
  sizeBytes: number,
  limits: StoreLimits,
): string | undefined {
  const { maxQueueMessages, maxQueueBytes } = limits;
  if (
    exceeds(open.messages.all, 1, maxQueueMessages) ||
    exceeds(open.bytes.all, sizeBytes, maxQueueBytes)
  ) {
    return `The queue of ${name} is full: send again when it has read some.`;
  }
  const isShareUsed =
    exceedsShare(open.messages, 1, maxQueueMessages) ||
    exceedsShare(open.bytes, sizeBytes, maxQueueBytes);
  return isShareUsed
    ? `The queue of ${name} holds ${open.messages.own} messages of yours, which is your share of it: send again when it has read some.`
    : undefined;
}

/**
 * Why a message with one recipient more is not kept, as a sentence; undefined where it is.
 *
 * @param sizeBytes of the message; 0 where it is kept already.
 */
export function mailProblem(
  kept: Use,
  sizeBytes: number,
  { maxMailBytes }: StoreLimits,
): string | undefined {
  const more = sizeBytes + deliveryBytes;
  if (exceeds(kept.all, more, maxMailBytes)) {
    return `The broker keeps ${kept.all} bytes of messages and may keep ${maxMailBytes} (mail_bytes): its operator can remove some with \`peerline purge --from NAME\`.`;
  }
  return exceedsShare(kept, more, maxMailBytes)
    ? `The broker keeps ${kept.own} bytes of your messages, which is your share of ${maxMailBytes} (mail_bytes): its operator can remove some with \`peerline purge --from NAME\`.`
    : undefined;
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
