import { lstatSync } from "node:fs";
import {
  settingNames,
  settings,
  usualSettings,
  withSettings,
  type BrokerSettings,
  type SettingName,
} from "../contract/settings.js";
import { visibleLine } from "../contract/peer-text.js";
import { EndpointError, errnoOf } from "./endpoint-error.js";
import { maxSettingsBytes } from "./limits.js";
import { readRegularFile } from "./regular-file.js";

/**
 * What the operator has set in `broker.toml`, and the usual value of all else. CONFIG_INVALID where the
 * file cannot be read, says what is no setting, or sets a value out of bounds: the message names the
 * place and what would do.
 */
export async function readBrokerSettings(path: string): Promise<BrokerSettings> {
  const text = await readText(path);
  if (text === undefined) return usualSettings;
  const given = new Map<SettingName, number>();
  for (const [table, values] of Object.entries(await parseToml(path, text))) {
    const names = namesIn(table);
    if (names.length === 0 || !isTable(values)) {
      const known = [...new Set(settingNames.map((name) => `[${settings[name].table}]`))];
      throw invalid(path, table, `is no table of settings: use ${known.join(" and ")}`);
    }
    for (const [key, value] of Object.entries(values)) {
      const name = names.find((one) => one === key);
      if (name === undefined) {
        throw invalid(path, `${table}.${key}`, `is no setting: use one of ${names.join(", ")}`);
      }
      given.set(name, readValue(path, name, value));
    }
  }
  return withSettings((name) => given.get(name) ?? usualSettings[name]);
}

/** Undefined where there is no file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    const file = await readRegularFile(path, maxSettingsBytes);
    if (file === undefined) return absent(path);
    if (file.bytes !== undefined) return file.bytes.toString().replace(/^\uFEFF/, "");
  } catch (cause) {
    const why = errnoOf(cause);
    if (why === undefined || cause instanceof EndpointError) throw cause;
    throw new EndpointError("CONFIG_INVALID", `${path} cannot be read (${why}).`, { cause });
  }
  const fix = `has more than ${maxSettingsBytes} bytes: shorten it, or move it away`;
  throw new EndpointError("CONFIG_INVALID", `${path} ${fix}.`);
}

/** Undefined where nothing is at the path. */
function absent(path: string): undefined {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  throw new EndpointError("CONFIG_INVALID", `${path} is no regular file. Move it away.`);
}

// The parser is loaded where there is a file: most brokers have none.
async function parseToml(path: string, text: string): Promise<Record<string, unknown>> {
  const { parse, TomlError } = await import("smol-toml");
  try {
    return parse(text, { integersAsBigInt: "asNeeded" });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ""] = cause.message.split("\n");
    const place = `line ${cause.line}, column ${cause.column}`;
    const words = `${path} is no TOML (${place}: ${what}). Correct it, or move it away.`;
    throw new EndpointError("CONFIG_INVALID", words, { cause });
  }
}

function namesIn(table: string): SettingName[] {
  return settingNames.filter((name) => settings[name].table === table);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readValue(path: string, name: SettingName, value: unknown): number {
  const { table, least, most } = settings[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  const words = `is ${shown(value)}: use a whole number from ${least} to ${most}`;
  throw invalid(path, `${table}.${name}`, words);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (["number", "bigint", "boolean"].includes(typeof value)) return String(value);
  return Array.isArray(value) ? "a list" : "a table or a time";
}

function invalid(path: string, place: string, sentence: string): EndpointError {
  return new EndpointError("CONFIG_INVALID", `${path}: ${visibleLine(place)} ${sentence}.`);
}
