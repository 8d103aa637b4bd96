import type { IncomingHttpHeaders } from "node:http";
import type { ModelRequest } from "./model-request.js";
import type { Step } from "./script.js";

/** How one vendor's hosts talk to their model over HTTP. */
export interface WireFormat {
  /** Whether a POST to this path asks the model for its next step. */
  isAsked(path: string): boolean;
  /** The key by which the agent identifies itself. */
  keyOf(headers: IncomingHttpHeaders): string | undefined;
  read(body: unknown): ModelRequest;
  /** The step as the events of a stream. */
  write(step: Step, request: ModelRequest): readonly StreamEvent[];
}

/** A server-sent event: its data as JSON, and its name where the format has names. */
export interface StreamEvent {
  readonly type?: string;
  readonly [member: string]: unknown;
}
