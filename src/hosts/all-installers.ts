import { installClaudeCode } from "./claude-code/install.js";
import { installCodex } from "./codex/install.js";
import { installCursor } from "./cursor/install.js";
import { installGeminiCli } from "./gemini-cli/install.js";
import type { Installer } from "./installer.js";
import { installVsCode } from "./vscode/install.js";

/** Every host that can be told of Peerline in a file, in the order in which they are listed. */
export const allInstallers: readonly Installer[] = [
  installClaudeCode,
  installCodex,
  installGeminiCli,
  installCursor,
  installVsCode,
];
