import { parseToml } from "./toml-server.js";
import { readConfigFile } from "./config-file.js";
import { parseDocument, valuesOf } from "./json-document.js";

/**
 * What a host's file says, TOML by its name and else JSON, with or without comments; undefined where
 * there is no file. A HostError where it cannot be read.
 */
export async function readValues(path: string): Promise<unknown> {
  const { text } = await readConfigFile(path);
  if (text === undefined) return undefined;
  if (path.endsWith(".toml")) return parseToml(path, text);
  return valuesOf(parseDocument(path, text.replace(/^\uFEFF/, ""), lenient));
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
