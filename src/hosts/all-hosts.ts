import { installClaudeCode } from "./claude-code/host.js";
import { installCodex } from "./codex/host.js";
import { installCursor } from "./cursor/host.js";
import { installGeminiCli } from "./gemini-cli/host.js";
import type { Installer } from "./installer.js";
import { installVsCode } from "./vscode/host.js";

/** Every host that can be told of Peerline in a file, in the order in which they are listed. */
export const allInstallers: readonly Installer[] = [
  installClaudeCode,
  installCodex,
  installGeminiCli,
  installCursor,
  installVsCode,
];
