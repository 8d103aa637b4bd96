import type { StoreLimits } from "../limits.js";
import type { Statements } from "./statements.js";

/** Whether another message of this size would exceed a bound of the queue. */
export function isQueueFull(
  statements: Statements,
  limits: StoreLimits,
  peerId: string,
  sizeBytes: number,
): boolean {
  const queue = statements.getQueue.one(peerId);
  if (queue === undefined) return false;
  return (
    queue.openMessages >= limits.maxQueueMessages ||
    queue.openBytes + sizeBytes > limits.maxQueueBytes
  );
}
