import { stringify } from "smol-toml";
import { endDaemon } from "./codex-daemon.js";
import { trustHooks } from "./codex-trust.js";
import type { AgentPlace, HostProgram } from "./host-program.js";

export const codex: HostProgram = {
  name: "codex",
  client: "codex",
  settings: (place) => settings(place, {}),
  environment: ({ key }) => ({ SCRIPTED_KEY: key }),
  once: (prompt) => ["exec", "--skip-git-repo-check", prompt],
  stay: [],
  conversations: ".codex/sessions",
  ready: "Ask Codex to do anything",
  plug: (built) => [
    ["plugin", "marketplace", "add", `${built}/marketplace`],
    ["plugin", "add", "peerline@peerline"],
  ],
  consent: trustHooks,
  endShared: endDaemon,
  ownCall: { call: "exec_command", args: { cmd: "pwd" } },
  hears: { atPrompt: "developer", afterTool: "developer", atEnd: "user" },
};

/** Each session for itself, which looks into its queue every ten seconds. */
export const codexWithoutDaemon: HostProgram = {
  ...codex,
  stay: ["--disable", "daemon_auto_start"],
};

/** With a model that it does not know, to which it offers each tool instead of its code mode. */
export const codexWithPlainTools: HostProgram = {
  ...codex,
  settings: (place) => settings(place, { model: "scripted" }),
};

/** With the second that it gives a server before the first turn, where nobody has set more. */
export const codexWithUsualPatience: HostProgram = {
  ...codexWithPlainTools,
  settings: (place) => settings(place, { model: "scripted" }, {}),
};

// For servers, before the first turn: it is about a second without, which a busy machine exceeds.
const patience = { mcp_optional_startup_grace_ms: 30_000 };

function settings({ project, modelUrl }: AgentPlace, model: object, grace: object = patience) {
  return {
    ".codex/config.toml": stringify({
      ...model,
      model_provider: "scripted",
      check_for_update_on_startup: false,
      ...grace,
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
  };
}
