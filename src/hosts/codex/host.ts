import { join } from "node:path";
import { stringify } from "smol-toml";
import type { Installer } from "../installer.js";
import { jsonHooks } from "../doorbell/json-hooks.js";
import { codexToolTimeoutSeconds } from "../limits.js";
import { entryKind } from "../config-files/server-command.js";
import { codexHooks } from "./hooks.js";
import { putTable, readTable, removeTable } from "../config-files/toml-server.js";

export const installCodex: Installer = {
  name: "codex",
  title: "Codex",
  programs: ["codex"],
  traces: ({ codex }) => [codex],
  changes({ scope, trust, hooks, places, project, server }) {
    const folder = scope === "user" ? places.codex : join(project, ".codex");
    const path = join(folder, "config.toml");
    const plain = {
      command: server.command,
      args: server.args,
      // Codex hides its environment from its servers, but for what is listed. With the last, its own
      // command that wakes a thread finds the thread.
      env_vars: ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER", "CODEX_HOME"],
      tool_timeout_sec: codexToolTimeoutSeconds,
    };
    const trusted = { ...plain, default_tools_approval_mode: "approve" };
    return [
      {
        path,
        entry(text) {
          const present = readTable(path, text ?? "");
          const shown = present === undefined ? "" : stringify(present).trimEnd();
          return { kind: entryKind(present, [plain, trusted]), shown, server: present };
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
      ...(hooks
        ? [jsonHooks({ path: join(folder, "hooks.json"), dialect, table: codexHooks, server })]
        : []),
    ];
  },
  hookTable: codexHooks,
  trustable: true,
  nextStep({ scope, hooks }) {
    const restart =
      scope === "user"
        ? "Restart Codex; `codex mcp get peerline` shows the entry."
        : "Restart Codex in this project, which it has to trust; /mcp lists peerline.";
    return hooks
      ? `${restart} It runs the hooks once you trust them: it asks at its start.`
      : restart;
  },
};

const dialect = { comments: false, trailingCommas: false };
