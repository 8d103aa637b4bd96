import { parse, TomlError } from "smol-toml";
import { readConfigFile } from "./config-file.js";
import { HostError } from "./host-error.js";
import { parseDocument, valueOf } from "./json-document.js";
import { serverName } from "./server-entry.js";

/**
 * What a host's file says, TOML by its name and else JSON, with or without comments; undefined where
 * there is no file. A HostError where it cannot be read.
 */
export async function readValues(path: string): Promise<unknown> {
  const { text } = await readConfigFile(path);
  if (text === undefined) return undefined;
  if (path.endsWith(".toml")) return parseToml(path, text);
  return valueOf(parseDocument(path, text.replace(/^\uFEFF/, ""), lenient).root);
}

const lenient = { comments: true, trailingCommas: true };

/** What stands under these names, one within the other; undefined where nothing does. */
export function valueAt(values: unknown, ...names: readonly string[]): unknown {
  let held = values;
  for (const name of names) {
    if (typeof held !== "object" || held === null || !Object.hasOwn(held, name)) return undefined;
    held = (held as Record<string, unknown>)[name];
  }
  return held;
}

/** What is said of each of Peerline's plugins, as `name@marketplace`, in a host's list of plugins. */
export function pluginStatesIn(plugins: unknown): [name: string, isOn: boolean][] {
  if (typeof plugins !== "object" || plugins === null) return [];
  return Object.entries(plugins).flatMap(([name, state]: [string, unknown]) => {
    if (!name.startsWith(`${serverName}@`)) return [];
    return [[name, state === true || valueAt(state, "enabled") === true] as [string, boolean]];
  });
}

/** CONFIG_BROKEN where the host could not read the text. */
export function parseToml(path: string, text: string): Record<string, unknown> {
  try {
    return parse(text.replace(/^\uFEFF/, ""), { integersAsBigInt: "asNeeded" });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ""] = cause.message.split("\n");
    throw new HostError(
      "CONFIG_BROKEN",
      `${path} cannot be read as TOML (line ${cause.line}, column ${cause.column}: ${what}). ` +
        "It was left as it is: fix it, then try again.",
      { cause },
    );
  }
}
