import type { Unread } from "../client/inbox.js";

/** What a tool found out. Members that are undefined are not sent. */
export type Facts = Readonly<Record<string, unknown>>;

/** What the host gets for a call. */
export interface ToolResult {
  readonly content: readonly [{ readonly type: "text"; readonly text: string }];
  readonly structuredContent?: Facts;
  readonly isError?: true;
}

/**
 * The result of a call, with what waits for the agent. Some hosts show their model only the structure
 * and others only the text, so both say the same.
 */
export function makeResult(facts: Facts, unread: Unread, note: string | undefined): ToolResult {
  const structuredContent = {
    ...facts,
    unread: unread.count,
    unread_from: unread.count === 0 ? undefined : unread.senders,
    note: [facts["note"], note].filter(Boolean).join("; ") || undefined,
  };
  return {
    content: [{ type: "text", text: JSON.stringify(structuredContent) }],
    structuredContent,
  };
}

/** The result of a call that failed. Hosts disagree on a failure's structure, so there is only text. */
export function makeFailure(sentence: string, unread: Unread): ToolResult {
  const mail =
    unread.count === 0
      ? ""
      : ` (${unread.count} unread from ${unread.senders.join(", ")}: call get_messages.)`;
  return { content: [{ type: "text", text: sentence + mail }], isError: true };
}
