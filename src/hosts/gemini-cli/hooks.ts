import type { HookTable } from "../doorbell/hook.js";
import { hookSeconds } from "../limits.js";

/** In milliseconds here. */
const settings = { timeout: hookSeconds * 1000 };

export const geminiCliHooks: HookTable = {
  host: "gemini",
  hooks: [
    { event: "SessionStart", settings },
    { event: "BeforeAgent", settings },
    { event: "AfterTool", settings },
    { event: "AfterAgent", settings },
  ],
};
