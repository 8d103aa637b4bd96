import type { Unread } from "../client/inbox.js";
import { maxDoorbellNameCharacters, maxDoorbellNames } from "./limits.js";

/**
 * The line that tells a model of its mail, without a word of its peers: hosts put it where their own
 * words stand. It holds no character that JSON or a shell gives a meaning.
 */
export function doorbellText({ count, senders }: Unread): string {
  const named = fitting(senders.filter((name) => /^@?[a-z0-9._-]+$/.test(name)));
  const others = senders.length - named.length;
  const names = [...named, ...(others > 0 ? [others === 1 ? "1 other" : `${others} others`] : [])];
  const from = names.length === 0 ? "" : ` from ${names.join(", ")}`;
  return `Peerline: ${count} unread${from}. Call get_messages.`;
}

/** The first names that the line has room for. */
function fitting(names: readonly string[]): string[] {
  let characters = 0;
  return names
    .slice(0, maxDoorbellNames)
    .filter((name) => (characters += name.length) <= maxDoorbellNameCharacters);
}
