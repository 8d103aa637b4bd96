import { claudeCode } from "./claude-code/host.js";
import { codex } from "./codex/host.js";
import { cursor } from "./cursor/host.js";
import { geminiCli } from "./gemini-cli/host.js";
import type { Host } from "./host.js";
import { vsCode } from "./vscode/host.js";

/** Every host that is known, in the order in which they are listed. */
export const allHosts: readonly Host[] = [claudeCode, codex, geminiCli, cursor, vsCode];
