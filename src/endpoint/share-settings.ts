import { rm } from "node:fs/promises";
import { writeDurably } from "../durable-file.js";
import { shareRows, shareTable, type ShareSettings } from "./broker-settings.js";
import { EndpointError, explainStorage } from "./endpoint-error.js";
import { maxSettingsBytes } from "./limits.js";
import { readRegularFile } from "./regular-file.js";

/**
 * Sets the table `[share]` of `broker.toml`, or removes it, and leaves every other byte of the file as it is.
 * Resolves to what undoes that. CONFIG_INVALID where the file holds the table in a form that is not
 * Peerline's: then it is left to whoever wrote it.
 */
export async function setShareSettings(
  path: string,
  settings: ShareSettings | undefined,
): Promise<() => Promise<void>> {
  const before = await readText(path);
  const rest = (before ?? "").replace(ownTable, "");
  if (anyTable.test(rest)) {
    throw new EndpointError(
      "CONFIG_INVALID",
      `${path} has a table [${shareTable}] that was written by hand: change it there, or remove it.`,
    );
  }
  await write(path, settings === undefined ? rest : withTable(rest, settings));
  return async () => write(path, before ?? "");
}

/** The table begins on a line of its own: the line break before it goes with it. */
function withTable(rest: string, settings: ShareSettings): string {
  // A string of JSON is one of TOML.
  const rows = shareRows(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  const lines = [`[${shareTable}]`, ...rows];
  return `${rest}${rest === "" ? "" : "\n"}${lines.join("\n")}\n`;
}

/** As it is written above. */
const ownTable =
  /(?:^|\n)\[share\]\nlisten = "[^"\n]*"\naddress = "[^"\n]*"\n(?:(?:tls_cert|tls_key|client_ca) = "(?:[^"\\\n]|\\.)*"\n)*/;

const anyTable = /^\s*\[\s*share\b/m;

async function readText(path: string): Promise<string | undefined> {
  const file = await readRegularFile(path, maxSettingsBytes);
  return file?.bytes?.toString();
}

/** A file that says nothing is none. */
async function write(path: string, text: string): Promise<void> {
  try {
    if (text === "") await rm(path, { force: true });
    else await writeDurably(path, text, { replaces: true });
  } catch (error) {
    throw explainStorage(error, path);
  }
}
