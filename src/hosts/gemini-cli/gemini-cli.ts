import type { Host } from "../host.js";
import { geminiCliMaxResultBytes, geminiCliMaxWaitMs } from "../limits.js";

/** Gemini CLI tells its servers nothing of its session. */
export const geminiCli: Host = {
  name: "gemini-cli",
  // Some versions append the name under which the server is configured.
  isClient: (clientName) => clientName.startsWith("gemini-cli-mcp-client"),
  conversationOfProcess: () => undefined,
  conversationOfCall: () => undefined,
  sharesProcess: false,
  maxWaitMs: geminiCliMaxWaitMs,
  maxResultBytes: geminiCliMaxResultBytes,
};
