import { conversationId } from "../conversation.js";
import type { Host } from "../host.js";
import { codexMaxResultBytes, codexMaxWaitMs } from "../limits.js";
import { queueForThread } from "./queue.js";

/** Codex scrubs the environment of its servers, and names its thread with each call. */
export const codex: Host = {
  name: "codex",
  isClient: (clientName) => clientName === "codex-mcp-client",
  conversationOfProcess: () => undefined,
  conversationOfCall: (meta) => conversationId("codex", meta["threadId"]),
  sharesProcess: true,
  wake: queueForThread,
  maxWaitMs: codexMaxWaitMs,
  maxResultBytes: codexMaxResultBytes,
};
