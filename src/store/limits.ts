import type { StoreInfo } from "../broker/store/store.js";
import { settings, usualSettings, type BrokerSettings } from "../contract/settings.js";

/** Bounds that every store keeps in the same way. */
export interface StoreLimits {
  /** Open messages in one queue. One more is QUEUE_FULL. */
  readonly maxQueueMessages: number;
  /** Bytes of encoded open messages in one queue. A message that would exceed them is QUEUE_FULL. */
  readonly maxQueueBytes: number;
  /**
   * Bytes of all messages that are kept, open or not: encoded, and `deliveryBytes` more for each
   * recipient. A message that would exceed them is MAIL_FULL.
   */
  readonly maxMailBytes: number;
  /**
   * How long a message is kept once all its receipts are closed, in milliseconds from its acceptance. It
   * is also the dedupe window: a repeated message id is known while its message is kept.
   */
  readonly retentionMs: number;
  /** Time between two searches for messages to prune, in milliseconds. */
  readonly pruneIntervalMs: number;
}

/** The bounds that the operator has set. */
export function storeLimitsOf(set: BrokerSettings): StoreLimits {
  return {
    maxQueueMessages: set.queue_messages,
    maxQueueBytes: set.queue_bytes,
    maxMailBytes: set.mail_bytes,
    retentionMs: set.closed_messages_days * 24 * 60 * 60 * 1000,
    pruneIntervalMs: 10 * 60 * 1000,
  };
}

export const storeLimits: StoreLimits = storeLimitsOf(usualSettings);

/** One sender may use one part in so many of what is free in a queue, or for all mail. */
export const freeShare = 4;

/** Messages that one call of `purge` looks at in a store on a disk. */
export const purgeSliceMessages = 100;

/** How long after its end a token to enrol with is known as one whose time is over, in milliseconds. */
export const enrolmentMemoryMs = 24 * 60 * 60 * 1000;

/** Senders that a backlog names. */
export const maxBacklogSenders = 8;

/** The bounds of a queue and of all mail, as GetServerInfo states them. */
export function describeLimits(limits: StoreLimits): StoreInfo["limits"] {
  const maxima = {
    queue_messages: limits.maxQueueMessages,
    queue_bytes: limits.maxQueueBytes,
    mail_bytes: limits.maxMailBytes,
  };
  return (Object.keys(maxima) as (keyof typeof maxima)[]).map((name) => ({
    name,
    maximum: maxima[name],
    description: settings[name].what,
  }));
}
