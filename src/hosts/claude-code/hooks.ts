import type { HookTable } from "../doorbell/hook.js";
import { hookSeconds, rewakeSeconds } from "../limits.js";

const settings = { timeout: hookSeconds };
const waiting = {
  asyncRewake: true,
  timeout: rewakeSeconds,
  // In the place of words about a hook that failed.
  rewakeMessage: "Doorbell:",
  rewakeSummary: "Peerline doorbell",
};

/** Waiting ends with a doorbell, and begins again when the turn that follows ends. */
export const claudeCodeHooks: HookTable = {
  host: "claude",
  hooks: [
    { event: "SessionStart", settings },
    { event: "SessionStart", task: "rewake", settings: waiting },
    { event: "UserPromptSubmit", settings },
    { event: "PostToolUse", settings },
    { event: "Stop", settings },
    { event: "Stop", task: "rewake", settings: waiting },
  ],
};
