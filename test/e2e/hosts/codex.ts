import { stringify } from "smol-toml";
import type { HostProgram } from "./host-program.js";

/** It runs no hook that its user has not looked at. */
const trusting = "--dangerously-bypass-hook-trust";

export const codex: HostProgram = {
  name: "codex",
  client: "codex",
  settings: ({ project, modelUrl }) => ({
    ".codex/config.toml": stringify({
      model: "scripted",
      model_provider: "scripted",
      check_for_update_on_startup: false,
      // For servers, before the first turn: it is about a second without, which a busy machine exceeds.
      mcp_optional_startup_grace_ms: 30_000,
      model_providers: {
        scripted: {
          name: "scripted",
          base_url: `${modelUrl}/v1`,
          wire_api: "responses",
          env_key: "SCRIPTED_KEY",
        },
      },
      projects: { [project]: { trust_level: "trusted" } },
    }),
  }),
  environment: ({ key }) => ({ SCRIPTED_KEY: key }),
  once: (prompt) => ["exec", "--skip-git-repo-check", trusting, prompt],
  // With this it starts no daemon, which would outlive it, and looks into its queue every ten seconds only.
  stay: [trusting],
  ready: "Ask Codex to do anything",
  plug: (built) => [
    ["plugin", "marketplace", "add", `${built}/marketplace`],
    ["plugin", "add", "peerline@peerline"],
  ],
  ownCall: { call: "exec_command", args: { cmd: "pwd" } },
  hears: { atPrompt: "developer", afterTool: "developer", atEnd: "user" },
};
