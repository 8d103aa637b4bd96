import { sha256, type Backups, type InstallRecord } from "./backups.js";
import {
  assertWithin,
  makeFolder,
  readConfigFile,
  removeFolders,
  replaceConfigFile,
  type ConfigFile,
} from "./config-file.js";
import { HostError } from "./host-error.js";
import type { ConfigChange, ConfigEntry } from "./config-change.js";

/** What is about to happen to one file. */
export interface ConfigEdit {
  readonly file: ConfigFile;
  /** The text as it will be; undefined is no file. The same text where nothing is to do. */
  readonly after: string | undefined;
  /** What the file held under Peerline's name. */
  readonly found: ConfigEntry["kind"];
  /** What the file was before Peerline came, as far as that is known; null is no file. */
  readonly before: string | null;
  readonly madeFolder: string | undefined;
  /** The entry for Peerline in the file is not from the last installation, or somebody added to it. */
  readonly isOthers: boolean;
  /** The copy of the text whose entry for Peerline an earlier installation replaced. */
  readonly replaced: string | undefined;
}

export interface PlanOptions {
  readonly backups: Backups;
  /** An entry that this program did not write may be replaced, and one that was edited may be removed. */
  readonly force: boolean;
  /** The project's folder, where the file is to be in it; a link out of it takes force. */
  readonly within?: string | undefined;
}

/** Plans to put the entry into its file; FOREIGN_ENTRY where that takes force. */
export async function planInstall(change: ConfigChange, options: PlanOptions): Promise<ConfigEdit> {
  const { backups, force } = options;
  const { file, kind, shown } = await look(change, options);
  if (!force && (kind === "edited" || kind === "foreign")) {
    throw notOwn(change.path, kind, shown, "--force replaces it.");
  }
  const after = change.put(file.text);
  const record = await backups.read(file.path);
  // An entry that starts something else was the user's before, and comes back.
  const keep = kind === "absent" || kind === "foreign";
  const before = keep ? file.text : withoutEntry(change, file, record);
  const madeFolder = before === undefined ? record?.madeFolder : undefined;
  return {
    file,
    after,
    found: kind,
    before: before ?? null,
    madeFolder,
    isOthers: !keep && kind !== "leftover" && record?.afterSha256 !== sha256(file.text ?? ""),
    replaced: record?.replaced,
  };
}

/** Plans to take the entry out of its file, and only what this program wrote. */
export async function planUninstall(
  change: ConfigChange,
  options: PlanOptions,
): Promise<ConfigEdit> {
  const { backups, force } = options;
  const { file, kind, shown } = await look(change, options);
  const nothing = kind === "absent" || kind === "foreign";
  if (kind === "edited" && !force) throw notOwn(change.path, kind, shown, "--force removes it.");
  const record = await backups.read(file.path);
  const after = nothing ? file.text : withoutEntry(change, file, record);
  const before = record === undefined ? (after ?? null) : record.before;
  return {
    file,
    after,
    found: kind,
    before,
    madeFolder: record?.madeFolder,
    isOthers: kind === "edited",
    replaced: record?.replaced,
  };
}

/** The file of a change, and what it holds under Peerline's name; LINK_OUTSIDE where to follow a link takes force. */
async function look(change: ConfigChange, { force, within }: PlanOptions) {
  if (!force && within !== undefined) await assertWithin(change.path, within);
  const file = await readConfigFile(change.path);
  return { file, ...change.entry(file.text) };
}

/** Writes what was planned to install. Returns the path of the text as it was; undefined where there was no file. */
export async function install(edit: ConfigEdit, backups: Backups): Promise<string | undefined> {
  const { file, after = "", before } = edit;
  const made = await makeFolder(file);
  const madeFolder = made ?? edit.madeFolder;
  const copy = await keepOthers(edit, backups);
  // The host may have rewritten the entry since. The copy of what an earlier installation replaced
  // is kept all the same.
  const replaced = edit.found === "edited" ? copy : (edit.replaced ?? copy);
  const record = { before, afterSha256: sha256(after), madeFolder, replaced };
  const backup = await backups.write(file.path, record);
  await replaceConfigFile(file, after);
  return copy ?? backup;
}

/**
 * Writes what was planned to uninstall. The backup stays where it holds more than the file now does.
 * Returns the path of the text as it was, where somebody had added to the entry.
 */
export async function uninstall(edit: ConfigEdit, backups: Backups): Promise<string | undefined> {
  const { file, after, before, madeFolder } = edit;
  const copy = await keepOthers(edit, backups);
  await replaceConfigFile(file, after);
  if (after === undefined && madeFolder !== undefined) await removeFolders(file, madeFolder);
  if ((after ?? null) === before) await backups.forget(file.path);
  return copy;
}

/** An entry of somebody's own for Peerline is neither in the file nor in its record, once it is replaced or removed. */
async function keepOthers(
  { file, isOthers }: ConfigEdit,
  backups: Backups,
): Promise<string | undefined> {
  if (!isOthers || file.text === undefined) return undefined;
  return backups.keep(file.path, file.text);
}

/** The text as it was, where nobody changed the file since; else the present one without the entry. */
function withoutEntry(
  change: ConfigChange,
  { text = "" }: ConfigFile,
  record: InstallRecord | undefined,
): string | undefined {
  if (record?.afterSha256 === sha256(text)) return record.before ?? undefined;
  return change.remove(text, record?.before);
}

function notOwn(path: string, kind: "edited" | "foreign", shown: string, way: string): HostError {
  const what =
    kind === "edited"
      ? "an entry for peerline that somebody added to"
      : "an entry named peerline that starts something else";
  return new HostError(
    "FOREIGN_ENTRY",
    `${path} has ${what}:\n\n${shown.replaceAll(/^/gm, "  ")}\n\nIt was left as it is. ${way}`,
  );
}
