import type { StoreInfo } from "../broker/store.js";

/** Bounds that every store keeps in the same way. */
export interface StoreLimits {
  /** Open messages in one queue; the next is QUEUE_FULL. */
  readonly maxQueueMessages: number;
  /** Bytes of encoded open messages in one queue; what would exceed them is QUEUE_FULL. */
  readonly maxQueueBytes: number;
  /**
   * How long a message whose every receipt is closed is kept, in milliseconds from its acceptance. It
   * is also the dedupe window: a repeated message id is known as long as its message is.
   */
  readonly retentionMs: number;
  /** Time between two searches for messages to prune, in milliseconds. */
  readonly pruneIntervalMs: number;
}

export const storeLimits: StoreLimits = {
  maxQueueMessages: 10_000,
  maxQueueBytes: 64 * 1024 * 1024,
  retentionMs: 30 * 24 * 60 * 60 * 1000,
  pruneIntervalMs: 10 * 60 * 1000,
};

/** Senders that a backlog names. */
export const maxBacklogSenders = 8;

/** The bounds of a queue, as GetServerInfo states them. */
export function describeLimits(limits: StoreLimits): StoreInfo["limits"] {
  return [
    {
      name: "queue_messages",
      maximum: limits.maxQueueMessages,
      description: "messages that wait or are being handled in one queue",
    },
    {
      name: "queue_bytes",
      maximum: limits.maxQueueBytes,
      description: "bytes of those messages, encoded",
    },
  ];
}
