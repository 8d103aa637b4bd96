import { isAbsolute } from "node:path";
import { visibleLine } from "../contract/peer-text.js";
import { EndpointError } from "./endpoint-error.js";
import { maxSettingsBytes } from "./limits.js";
import { readKeptFile } from "./regular-file.js";

/** A table of `broker.toml`, or the file as a whole, as it was written. */
export type Table = Readonly<Record<string, unknown>>;

/** Undefined where there is no file. CONFIG_INVALID where it cannot be read, or is no TOML. */
export async function readTables(path: string): Promise<Table | undefined> {
  const file = await readKeptFile(path, maxSettingsBytes);
  if (file === undefined) return undefined;
  if (file.bytes !== undefined) return await parseToml(path, file.bytes.toString());
  const fix = `has more than ${maxSettingsBytes} bytes: shorten it, or move it away`;
  throw new EndpointError("CONFIG_INVALID", `${path} ${fix}.`);
}

// The parser is loaded where there is a file: most brokers have none.
export async function parseToml(path: string, text: string): Promise<Table> {
  const { parse, TomlError } = await import("smol-toml");
  try {
    return parse(text.replace(/^\uFEFF/, ""), { integersAsBigInt: "asNeeded" });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ""] = cause.message.split("\n");
    const place = `line ${cause.line}, column ${cause.column}`;
    const words = `${path} is no TOML (${place}: ${what}). Correct it, or move it away.`;
    throw new EndpointError("CONFIG_INVALID", words, { cause });
  }
}

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** CONFIG_INVALID where the table has a key that is none of these. */
export function requireKeys(
  path: string,
  name: string,
  table: Table,
  known: readonly string[],
): void {
  for (const key of Object.keys(table)) {
    if (known.includes(key)) continue;
    throw invalid(path, `${name}.${key}`, `is no setting: use one of ${known.join(", ")}`);
  }
}

/** The path of a file under that key; undefined where the key is not there. */
export function readPath(
  path: string,
  name: string,
  table: Table,
  key: string,
): string | undefined {
  const value = table[key];
  if (value === undefined || (typeof value === "string" && isAbsolute(value))) return value;
  throw invalid(path, `${name}.${key}`, `is ${shown(value)}: use the absolute path of a file`);
}

/** A value as it is shown in a message, cut and in one line. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (["number", "bigint", "boolean"].includes(typeof value)) return String(value);
  if (value === undefined) return "missing";
  return Array.isArray(value) ? "a list" : "a table or a time";
}

/** @param place the key that is wrong, with its table. */
export function invalid(path: string, place: string, sentence: string): EndpointError {
  return new EndpointError("CONFIG_INVALID", `${path}: ${visibleLine(place)} ${sentence}.`);
}
