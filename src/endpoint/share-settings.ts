import { hasShareTable, shareRows, shareTable, type ShareSettings } from "./broker-settings.js";
import { EndpointError } from "./endpoint-error.js";
import { openSettingsEdit } from "./settings-edit.js";

/**
 * Sets the table `[share]` of `broker.toml`, or removes it. Every other byte of the file stays, in whatever
 * encoding, and so do its mode and a link that leads to it. Resolves to what undoes that. CONFIG_INVALID where
 * the file holds the table in a form that is not Peerline's, or is no TOML. Then it is left as it is.
 */
export async function setShareSettings(
  path: string,
  settings: ShareSettings | undefined,
): Promise<() => Promise<void>> {
  const edit = await openSettingsEdit(path);
  const { text: before, isLink } = edit;
  const rest = before?.replace(ownTable, "") ?? "";
  if (await hasShareTable(path, Buffer.from(rest, "latin1").toString())) {
    throw new EndpointError(
      "CONFIG_INVALID",
      `${path} has a table [${shareTable}] that was written by hand: change it there, or remove it.`,
    );
  }
  const isOurs = before === undefined || (rest === "" && before.startsWith(`[${shareTable}]`));
  // A link keeps an empty file: it would lead nowhere.
  const without = isOurs && !isLink ? undefined : rest;
  const after = settings === undefined ? without : withTable(without, settings);
  await edit.write(after);
  if (settings === undefined) await edit.removeDrafts();
  return () => edit.write(before);
}

/** The table begins on a line of its own, unless it is all: the line break before it goes with it. */
function withTable(rest: string | undefined, settings: ShareSettings): string {
  // A string of JSON is one of TOML.
  const rows = shareRows(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  const table = Buffer.from(`${[`[${shareTable}]`, ...rows].join("\n")}\n`).toString("latin1");
  return `${rest === undefined ? "" : `${rest}\n`}${table}`;
}

/** As it is written above, or as an editor leaves it that ends all lines alike. */
const ownTable =
  /(?:^|\r?\n)\[share\]\r?\nlisten = "[^"\r\n]*"\r?\naddress = "[^"\r\n]*"\r?\n(?:(?:tls_cert|tls_key|client_ca) = "(?:[^"\\\r\n]|\\.)*"\r?\n)*/;
