import type { Config } from "../endpoint/config.js";

/** What a coding agent's program lets its MCP servers know, and what it does with their results. */
export interface Host {
  /** What peers are told of the program; also the prefix of conversation ids. */
  readonly name: string;
  /** Whether a `clientInfo.name` is this host. */
  isClient(clientName: string): boolean;
  /** The host's session as the environment tells it; undefined when it does not. */
  conversationOfProcess(config: Config): string | undefined;
  /** The host's session as the `_meta` of a call tells it; undefined when it does not. */
  conversationOfCall(meta: Readonly<Record<string, unknown>>): string | undefined;
  /** The longest that one call may last, in milliseconds, before this host gives it up. */
  readonly maxWaitMs: number;
  /** The largest result, in bytes as serialised, that this host shows its model whole. */
  readonly maxResultBytes: number;
}
