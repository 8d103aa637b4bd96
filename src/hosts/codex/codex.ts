import { conversationId } from "../conversation.js";
import type { Host } from "../host.js";
import { codexMaxResultBytes, codexMaxWaitMs } from "../limits.js";

/** Codex scrubs the environment of its servers, and names its thread with each call. */
export const codex: Host = {
  name: "codex",
  isClient: (clientName) => clientName === "codex-mcp-client",
  conversationOfProcess: () => undefined,
  conversationOfCall: (meta) => conversationId("codex", meta["threadId"]),
  maxWaitMs: codexMaxWaitMs,
  maxResultBytes: codexMaxResultBytes,
};
