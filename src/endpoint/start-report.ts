import type { EndpointErrorCode } from "./endpoint-error.js";

/** What a broker's process tells the process that started it, once, over their channel. */
export type StartReport =
  /** It listens on the home's socket. */
  | { readonly state: "listening" }
  /** Another broker holds the home; it listens, or soon will, or is about to end. */
  | { readonly state: "held" }
  | { readonly state: "failed"; readonly code: EndpointErrorCode; readonly message: string };
