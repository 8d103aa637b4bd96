import { conversationId } from "../conversation.js";
import type { Host } from "../host.js";
import { claudeCodeMaxResultBytes, claudeCodeMaxWaitMs } from "../limits.js";

export const claudeCode: Host = {
  name: "claude-code",
  isClient: (clientName) => clientName === "claude-code",
  conversationOfProcess: (config) => conversationId("claude-code", config.claudeCodeSessionId),
  conversationOfCall: () => undefined,
  sharesProcess: false,
  maxWaitMs: claudeCodeMaxWaitMs,
  maxResultBytes: claudeCodeMaxResultBytes,
};
