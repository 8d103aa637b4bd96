import { existsSync, realpathSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import type { UserPlaces } from "../../endpoint/config.js";
import { jointChange } from "../config-files/config-change.js";
import { isWithin } from "../config-files/config-file.js";
import { readValues, valueAt } from "../config-files/read-values.js";
import { jsonServers, serverEntry, serverName } from "../config-files/server-entry.js";
import { findSetting } from "../doorbell/find-hooks.js";
import { jsonHooks } from "../doorbell/json-hooks.js";
import { hookSeconds } from "../limits.js";
import type { FoundPlugin, Host, HostHooks, Trust } from "../host.js";

/** In milliseconds here. */
const settings = { timeout: hookSeconds * 1000 };

const hooks: HostHooks = {
  host: "gemini",
  hooks: [
    { event: "SessionStart", facts: "known", settings },
    { event: "BeforeAgent", facts: "known", settings },
    { event: "AfterTool", facts: "known", settings },
    { event: "AfterAgent", facts: "known", settings },
  ],
  files: (places, project) => ({
    user: join(folderOf(places), "settings.json"),
    project: [join(project, ".gemini", "settings.json")],
  }),
  async findSwitch(files, { hooks: found }) {
    const off = await findSetting(files, "hooksConfig.enabled", false);
    if (off !== undefined) return off;
    // It runs no hook whose name, or else command, is in this list of one of its files.
    const setting = "hooksConfig.disabled";
    const names = found.map(({ entry }) => entry["name"] ?? entry["command"]);
    for (const path of files) {
      const listed = valueAt(await readValues(path), ...setting.split("."));
      if (Array.isArray(listed) && names.some((name) => listed.includes(name))) {
        return { path, setting };
      }
    }
    return undefined;
  },
  trust: "none",
};

/** Gemini CLI tells its servers nothing of its session. */
export const geminiCli: Host = {
  name: "gemini-cli",
  title: "Gemini CLI",
  programs: ["gemini"],
  traces: (places) => [folderOf(places)],

  // Some versions append the name under which the server is configured.
  isClient: (clientName) => clientName.startsWith("gemini-cli-mcp-client"),
  conversationOfProcess: () => undefined,
  conversationOfCall: () => undefined,
  sharesProcess: false,
  wake: "none",
  channel: "none",
  // It gives a call up after 600 s by default, with or without progress.
  maxWaitMs: 540_000,
  // It cuts the middle out of a result of more than 40,000 characters.
  maxResultBytes: 30_000,

  changes({ scope, trust, hooks: isHooked, places, project, server }) {
    const folder = scope === "user" ? folderOf(places) : join(project, ".gemini");
    const path = join(folder, "settings.json");
    const dialect = { comments: true, trailingCommas: false };
    const entry = { command: server.command, args: server.args };
    const trusted = { ...entry, trust: true };
    const file = jsonServers(path, "mcpServers", dialect);
    const named = serverEntry(file, { entry, trusted, trust });
    if (!isHooked) return [named];
    return [jointChange(path, [named, jsonHooks({ path, dialect, table: hooks, server })])];
  },
  additions: () => [],
  otherPlaces: () => [],
  trustable: true,
  nextStep: () =>
    "Restart Gemini CLI; /mcp lists peerline. It starts servers only in folders that you trust.",
  environment: "whole",
  hooks,
  findPlugin: findExtension,
  folderTrust: { look: folderTrust, command: "/permissions trust" },
};

async function findExtension(
  places: UserPlaces,
  project: string,
): Promise<FoundPlugin | undefined> {
  const folder = join(folderOf(places), "extensions");
  const path = join(folder, serverName);
  if (!existsSync(path)) return undefined;
  const enablement = await readValues(join(folder, "extension-enablement.json"));
  const rules = valueAt(enablement, serverName, "overrides");
  // It is in use unless a rule says otherwise. Of those that fit the folder, the last counts.
  const rule = (Array.isArray(rules) ? rules : []).findLast(
    (one): one is string => typeof one === "string" && isAbout(one, project),
  );
  if (rule?.startsWith("!") === true) return undefined;
  return { path, removal: ["gemini", "extensions", "uninstall", serverName] };
}

/** Rules are paths, with `*` at the end where they are for the folders in it, too. */
function isAbout(rule: string, folder: string): boolean {
  const path = rule.replace(/^!/, "");
  const whole = folder.endsWith(sep) ? folder : folder + sep;
  if (path.endsWith("*")) return whole.startsWith(path.slice(0, -1));
  return whole === (path.endsWith(sep) ? path : path + sep);
}

/** What the user has told Gemini CLI of a folder: of the rules that fit it, the longest counts. */
export async function folderTrust(
  folder: string,
  places: UserPlaces,
): Promise<{ trust: Trust; path: string }> {
  const path = join(folderOf(places), "trustedFolders.json");
  const settings = await readValues(join(folderOf(places), "settings.json"));
  if (valueAt(settings, "security", "folderTrust", "enabled") === false) {
    return { trust: "trusted", path };
  }
  const rules = Object.entries(Object(await readValues(path)) as Record<string, unknown>);
  const [rule] = rules
    .filter(([named, level]) =>
      isWithin(folder, resolved(level === "TRUST_PARENT" ? dirname(named) : named)),
    )
    .toSorted(([a], [b]) => b.length - a.length);
  return { trust: trusts[String(rule?.[1])] ?? "asked", path };
}

export function folderOf({ home, pathIn }: UserPlaces): string {
  return join(pathIn("GEMINI_CLI_HOME") ?? home, ".gemini");
}

const trusts: Readonly<Record<string, Trust>> = {
  TRUST_FOLDER: "trusted",
  TRUST_PARENT: "trusted",
  DO_NOT_TRUST: "refused",
};

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
