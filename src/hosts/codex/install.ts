import { join } from "node:path";
import { stringify } from "smol-toml";
import type { Installer } from "../installer.js";
import { codexToolTimeoutSeconds } from "../limits.js";
import { entryKind } from "../server-command.js";
import { putTable, readTable, removeTable } from "./server-table.js";

export const installCodex: Installer = {
  name: "codex",
  title: "Codex",
  programs: ["codex"],
  traces: ({ codex }) => [codex],
  changes({ scope, trust, places, project, server }) {
    const path = join(scope === "user" ? places.codex : join(project, ".codex"), "config.toml");
    const plain = {
      command: server.command,
      args: server.args,
      // Codex hides its environment from its servers, but for what is listed.
      env_vars: ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER"],
      tool_timeout_sec: codexToolTimeoutSeconds,
    };
    const trusted = { ...plain, default_tools_approval_mode: "approve" };
    return [
      {
        path,
        entry(text) {
          const present = readTable(path, text ?? "");
          const shown = present === undefined ? "" : stringify(present).trimEnd();
          return { kind: entryKind(present, [plain, trusted]), shown };
        },
        put(text = "") {
          // Once trusted, it stays so.
          const isTrusted = trust || entryKind(readTable(path, text), [trusted]) === "own";
          return putTable(path, text, isTrusted ? trusted : plain);
        },
        remove(text, before) {
          const after = removeTable(path, text);
          return before === null && after.trim() === "" ? undefined : after;
        },
      },
    ];
  },
  trustable: true,
  nextStep: (scope) =>
    scope === "user"
      ? "Restart Codex; `codex mcp get peerline` shows the entry."
      : "Restart Codex in this project, which it has to trust; /mcp lists peerline.",
};
