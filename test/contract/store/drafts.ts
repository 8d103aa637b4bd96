import { create } from "@bufbuild/protobuf";
import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { PeerRefSchema, type PeerRef, Urgency } from "../../../gen/peerline/v1/message_pb.js";
import type { Draft, EnqueueResult, QueuedMessage } from "../../../src/broker/store/queues.js";
import type { Store } from "../../../src/broker/store/store.js";

export const alice = peerRef("alice");
export const bob = peerRef("bob");
export const carol = peerRef("carol");

export function peerRef(name: string): PeerRef {
  return create(PeerRefSchema, { peerId: `${name}-id`, name });
}

/** A draft from alice to bob, except for what is given. */
export function draft(given: Partial<Draft> = {}): Draft {
  const messageId = given.messageId ?? uuidv7();
  const text = given.text ?? "hello";
  return {
    messageId,
    from: alice,
    to: [bob],
    text,
    data: undefined,
    threadId: messageId,
    inReplyTo: "",
    urgency: Urgency.NORMAL,
    expiresInMs: 60_000,
    fingerprint: createHash("sha256").update(text).digest("hex"),
    ...given,
  };
}

/** Stores a message for all that it is to, and expects each to accept it; resolves to its id. */
export async function send(store: Store, given: Partial<Draft> = {}): Promise<string> {
  const { messageId } = await sendFirst(store, given);
  return messageId;
}

/** The same; resolves to the first recipient's delivery. */
export async function sendFirst(
  store: Store,
  given: Partial<Draft> = {},
): Promise<{ messageId: string; peerId: string; seq: bigint }> {
  const sent = draft(given);
  const results = (await store.queues.enqueue(sent, sent.to)).map(accepted);
  const receipt = results[0]?.receipt;
  if (receipt?.recipient === undefined) throw new Error("a message without a recipient");
  return { messageId: sent.messageId, peerId: receipt.recipient.peerId, seq: receipt.seq };
}

export function accepted(result: EnqueueResult | undefined): Extract<EnqueueResult, { ok: true }> {
  if (result?.ok === true) return result;
  throw new Error("a message was refused", { cause: result?.error });
}

/** Credit that no test uses up. */
export const ample = { maxMessages: 1000, maxBytes: 64 * 1024 * 1024 };

export function texts(messages: readonly QueuedMessage[]): string[] {
  return messages.map(({ message }) => message.text);
}
