import { claudeCode } from "./claude-code/claude-code.js";
import { codex } from "./codex/codex.js";
import { geminiCli } from "./gemini-cli/gemini-cli.js";
import type { Host } from "./host.js";
import { unknownHostMaxResultBytes, unknownHostMaxWaitMs } from "./limits.js";

const knownHosts: readonly Host[] = [claudeCode, codex, geminiCli];

/**
 * The host that a client says it is. Only `clientInfo` counts: the environment is inherited, so that
 * one host started from another's shell carries the other's variables.
 */
export function recogniseHost(clientName: string): Host {
  return knownHosts.find((host) => host.isClient(clientName)) ?? unknownHost(clientName);
}

function unknownHost(name: string): Host {
  return {
    name,
    isClient: (clientName) => clientName === name,
    conversationOfProcess: () => undefined,
    conversationOfCall: () => undefined,
    sharesProcess: true,
    maxWaitMs: unknownHostMaxWaitMs,
    maxResultBytes: unknownHostMaxResultBytes,
  };
}
