import { join } from "node:path";
import type { UserPlaces } from "../endpoint/config.js";
import type { Installer } from "./installer.js";
import { readValues, valueAt } from "./read-values.js";

/** A hook of a host that runs the doorbell's script. */
export interface FoundHook {
  readonly path: string;
  readonly event: string;
  /** Its place among the hooks of the event: in which group, and where in that. */
  readonly group: number;
  readonly index: number;
  /** Undefined where the command does not name it as one word. */
  readonly script: string | undefined;
}

/** The doorbell's hooks in the files of one host; a HostError where one cannot be read. */
export async function findHooks(
  { name }: Installer,
  { places, project }: { places: UserPlaces; project: string },
): Promise<FoundHook[]> {
  const found: FoundHook[] = [];
  for (const path of filesOf(name, places, project)) {
    const events = valueAt(await readValues(path), "hooks");
    for (const [event, groups] of Object.entries(objectOf(events))) {
      for (const [group, { hooks }] of listOf(groups).entries()) {
        for (const [index, { command }] of listOf(hooks).entries()) {
          if (typeof command !== "string" || !command.includes(scriptName)) continue;
          found.push({ path, event, group, index, script: scriptIn(command) });
        }
      }
    }
  }
  return found;
}

const scriptName = "doorbell.sh";

function filesOf(host: string, places: UserPlaces, project: string): string[] {
  const { home, claude = join(home, ".claude"), codex, gemini } = places;
  const files: Readonly<Record<string, string[]>> = {
    claude: [
      join(claude, "settings.json"),
      join(project, ".claude", "settings.json"),
      join(project, ".claude", "settings.local.json"),
    ],
    codex: [join(codex, "hooks.json"), join(project, ".codex", "hooks.json")],
    gemini: [join(gemini, ".gemini", "settings.json"), join(project, ".gemini", "settings.json")],
  };
  return [...new Set(files[host] ?? [])];
}

/** The script as the shell sees it: within quotes, or a word without blanks. */
function scriptIn(command: string): string | undefined {
  const words = command.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g);
  const texts = [...words].map(([, single, double, plain]) => single ?? double ?? plain ?? "");
  return texts.find((text) => text.endsWith(scriptName));
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
