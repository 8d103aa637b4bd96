import { realpathSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import type { UserPlaces } from "../../endpoint/config.js";
import { readValues, valueAt } from "../config-files/read-values.js";
import type { Trust } from "../host.js";

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
    .filter(([named, level]) => isWithin(folder, level === "TRUST_PARENT" ? dirname(named) : named))
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

function isWithin(path: string, folder: string): boolean {
  const real = resolved(folder);
  return path === real || path.startsWith(real.endsWith(sep) ? real : real + sep);
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
