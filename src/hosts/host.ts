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
  /** One process of the host may run several sessions, each with a server of its own. */
  readonly sharesProcess: boolean;
  /** Wakes an idle session by a command of the host; undefined where it has none. Never rejects. */
  readonly wake?: (session: string, line: string, signal: AbortSignal) => Promise<WakeResult>;
  /** The longest that one call may last, in milliseconds, before this host gives it up. */
  readonly maxWaitMs: number;
  /** The largest result, in bytes as serialised, that this host shows its model whole. */
  readonly maxResultBytes: number;
}

/** What became of a wake: the host took it, nobody can tell, or nothing will come of it. */
export type WakeResult = "taken" | "sent" | "refused";
