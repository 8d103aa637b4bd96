import { JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { rootOf } from "./link-error.js";

/** Deletes a message of a stream; it may be deleted already. Rejects where the engine refuses, or does not answer. */
export async function deleteMessage(
  { streams }: JetStreamManager,
  stream: string,
  seq: number,
): Promise<void> {
  try {
    await streams.deleteMessage(stream, seq, false);
  } catch (error) {
    if (!isGone(rootOf(error))) throw error;
  }
}

/** The engine tells in another way of what was before the first message of its stream. */
function isGone(root: unknown): boolean {
  if (!(root instanceof JetStreamApiError)) return false;
  const { code, message } = root;
  return code === sequenceNotFound || (code === deletionFailed && message === noMessageFound);
}

/** Error codes and words of JetStream, as `server/errors.json` and `server/store.go` of nats-server have them. */
const sequenceNotFound = 10_043;
const deletionFailed = 10_057;
const noMessageFound = "no message found";
