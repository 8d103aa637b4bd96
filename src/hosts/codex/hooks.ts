import type { HookTable } from "../doorbell/hook.js";
import { hookSeconds } from "../limits.js";

const settings = { timeout: hookSeconds };

export const codexHooks: HookTable = {
  host: "codex",
  hooks: [
    { event: "SessionStart", settings },
    { event: "UserPromptSubmit", settings },
    { event: "PostToolUse", settings },
    { event: "Stop", settings },
  ],
};
