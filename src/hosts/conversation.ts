import { maxConversationIdBytes } from "./limits.js";

/**
 * A host's own session as the broker is told it; undefined for what is no usable id: a wrong one would
 * hand an agent another's identity, a missing one only a new identity.
 */
export function conversationId(hostName: string, id: unknown): string | undefined {
  if (typeof id !== "string" || !/^[A-Za-z0-9._:/-]+$/.test(id)) return undefined;
  const conversation = `${hostName}:${id}`;
  return conversation.length <= maxConversationIdBytes ? conversation : undefined;
}

/** The host's own name of the session that a conversation id is made of. */
export function sessionOf(conversation: string): string {
  return conversation.slice(conversation.indexOf(":") + 1);
}
