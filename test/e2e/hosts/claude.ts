import type { HostProgram } from "./host-program.js";

export const claude: HostProgram = {
  name: "claude",
  client: "claude-code",
  settings: ({ project, key }) => ({
    // What its first start would ask.
    ".claude.json": JSON.stringify({
      hasCompletedOnboarding: true,
      theme: "dark",
      customApiKeyResponses: { approved: [key.slice(-keySuffixLength)], rejected: [] },
      projects: { [project]: { hasTrustDialogAccepted: true } },
    }),
    // `peerline install --trust` says so for the server that it installs, under another name.
    ".claude/settings.json": JSON.stringify({
      permissions: { allow: ["mcp__plugin_peerline_peerline__*"] },
    }),
  }),
  environment: ({ modelUrl, key }) => ({
    ANTHROPIC_BASE_URL: modelUrl,
    ANTHROPIC_API_KEY: key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
    DISABLE_AUTOUPDATER: "1",
    // For servers, before the first request: it is 5 seconds without, which a busy machine exceeds.
    CLAUDE_CODE_MCP_STARTUP_WAIT_MS: "30000",
  }),
  once: (prompt) => ["-p", prompt],
  stay: [],
  conversations: ".claude/projects",
  ready: "shift+tab to cycle",
  plug: (built) => [
    ["plugin", "marketplace", "add", `${built}/marketplace`],
    ["plugin", "install", "peerline@peerline"],
  ],
  ownCall: { call: "Bash", args: { command: "pwd", description: "Print the directory" } },
  hears: { atPrompt: "system", afterTool: "system", atEnd: "user" },
};

/** It remembers a key that its user approved by its end. */
const keySuffixLength = 20;
