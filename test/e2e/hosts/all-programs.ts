import { claude } from "./claude.js";
import { codex } from "./codex.js";
import { gemini } from "./gemini.js";

export const allPrograms = [claude, codex, gemini];
