import type { z } from "zod";
import type { Line } from "../../client/line.js";
import type { Mail } from "../../client/mail.js";
import type { HostClient } from "../../hosts/host.js";
import type { AgentIdentity } from "../agent-identity.js";
import type { KnownPeers } from "../known-peers.js";
import type { ShownPiece } from "../presentations.js";
import type { Facts } from "../tool-server.js";
import type { ToolDefinition } from "./definitions.js";
import type { UnansweredSends } from "./send-message.js";

/** What the agent's host can call. */
export interface Tool<
  Parameters extends z.ZodObject = z.ZodObject,
> extends ToolDefinition<Parameters> {
  run(parameters: z.output<Parameters>, call: ToolCall): Promise<Facts>;
}

/** What a tool has at hand for one call. */
export interface ToolCall {
  readonly line: Line;
  readonly identity: AgentIdentity;
  readonly mail: Mail;
  readonly known: KnownPeers;
  readonly unanswered: UnansweredSends;
  readonly host: HostClient;
  /** The agent's working directory; undefined where it was removed. */
  readonly cwd: string | undefined;
  /** The host gave the call up. */
  readonly signal: AbortSignal;
  /** Runs what ends as soon as mail comes: while it runs, the agent needs no doorbell. */
  whileWaiting<T>(wait: () => Promise<T>): Promise<T>;
  /**
   * Announces what the result of this call is going to show; called with nothing, that it tells what waits.
   * Do not wait between this call and the result. Throws if the mail no longer belongs to the conversation
   * of this call.
   */
  show(pieces: readonly ShownPiece[]): void;
  /** Tells the host that the call still runs, where it asked for that. */
  reportProgress(elapsedMs: number, totalMs: number): Promise<void>;
}

/** Checks a tool's parts against each other, and lets it stand in a list with others. */
export function defineTool<Parameters extends z.ZodObject>(
  definition: ToolDefinition<Parameters>,
  run: Tool<Parameters>["run"],
): Tool {
  return { ...definition, run };
}
