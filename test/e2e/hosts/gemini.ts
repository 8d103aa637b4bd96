import type { HostProgram } from "./host-program.js";

export const gemini: HostProgram = {
  name: "gemini",
  client: "gemini-cli",
  settings: ({ project }) => ({
    ".gemini/settings.json": JSON.stringify({
      security: { auth: { selectedType: "gemini-api-key" } },
      // Otherwise it asks a model which model to ask.
      model: { name: "gemini-2.5-pro" },
      general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false },
    }),
    ".gemini/trustedFolders.json": JSON.stringify({ [project]: "TRUST_FOLDER" }),
  }),
  environment: ({ modelUrl, key }) => ({ GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: modelUrl }),
  once: (prompt) => ["--approval-mode", "yolo", "-p", prompt],
  stay: ["--approval-mode", "yolo"],
  conversations: ".gemini/tmp",
  ready: "Type your message",
  plug: (built) => [["extensions", "link", "--consent", `${built}/gemini-extension`]],
  ownCall: { call: "list_directory", args: { dir_path: "." } },
  hears: { atPrompt: "user", afterTool: "tool", atEnd: "user" },
};
