import { constants, type Stats } from "node:fs";
import { access, lstat, mkdir, readlink, realpath, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { syncFolder, writeDurably } from "../../durable-file.js";
import { errnoOf } from "../../endpoint/endpoint-error.js";
import { readRegularFile } from "../../endpoint/regular-file.js";
import { HostError } from "./host-error.js";
import { maxConfigFileBytes } from "../limits.js";

/** A host's file as it was read. */
export interface ConfigFile {
  readonly path: string;
  /** The file itself, where the path is a link to it. */
  readonly target: string;
  /** UTF-8, with a byte order mark if it has one; undefined where there is no file. */
  readonly text: string | undefined;
  readonly stats: Stats | undefined;
}

export async function readConfigFile(path: string): Promise<ConfigFile> {
  try {
    if (!(await exists(path))) return { path, target: path, text: undefined, stats: undefined };
    const target = await realpath(path);
    const file = await readRegularFile(target, maxConfigFileBytes);
    if (file === undefined) throw unusable(path, "is not a file");
    const { bytes, stats } = file;
    if (bytes === undefined) throw unusable(path, "is too large to be a configuration");
    return { path, target, text: decode(path, bytes), stats };
  } catch (cause) {
    throw named(cause, path, "cannot be read");
  }
}

/**
 * LINK_OUTSIDE where a file is not within a folder. If it does not exist, the folders on the way to it
 * count. Who made a checkout may have put a link into it that leads to a file of the user's.
 */
export async function assertWithin(path: string, folder: string): Promise<void> {
  const real = await resolveWhatIsThere(path);
  if (isWithin(real, await realpath(folder))) return;
  throw new HostError(
    "LINK_OUTSIDE",
    `${path} leads out of the project, to ${real}. Nothing was changed. ` +
      "Put a file of the project in the place of the link, or follow it with --force.",
  );
}

/** A path with links resolved, as far as it is there; a link to nothing counts as where it leads. */
async function resolveWhatIsThere(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw named(error, path, "cannot be read");
  }
  const folder = await resolveWhatIsThere(dirname(path));
  const link = await readlink(path).catch(() => undefined);
  return link === undefined
    ? join(folder, basename(path))
    : resolveWhatIsThere(resolve(folder, link));
}

/**
 * Gives a file a new text, at once and durably, or removes it; its mode, and a link to it, stay.
 * CONFIG_CHANGED where it is not any more what was read: hosts write their files too.
 *
 *  1. The text goes into a new file beside it, and onto the disk.
 *  2. The file is compared with what was read.
 *  3. The new file takes its name; where there was none, only if there still is none.
 */
export async function replaceConfigFile(file: ConfigFile, text: string | undefined): Promise<void> {
  const { path, target } = file;
  try {
    await checkOwner(file);
    const check = (): Promise<void> => checkUnchanged(file);
    if (text === undefined) {
      await check();
      await rm(target);
      await syncFolder(dirname(target));
    } else {
      const replaces = file.text !== undefined;
      await writeDurably(target, text, { replaces, like: file.stats, check });
    }
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") throw changed(path, cause);
    throw named(cause, path, "cannot be written");
  }
}

/** Makes the folder of a file, and returns the outermost one that had to be made. */
export async function makeFolder({ path, target }: ConfigFile): Promise<string | undefined> {
  try {
    return await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw named(cause, path, "cannot be written");
  }
}

/** Removes the folders around a file that were made for it, as far as they are empty. */
export async function removeFolders({ target }: ConfigFile, outermost: string): Promise<void> {
  for (let path = dirname(target); isWithin(path, outermost); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      return;
    }
  }
}

/** Whether a path is a folder or in it. The root's path ends with a separator, as no other folder's does. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

// What is not UTF-8 could not be written back byte for byte.
function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw unusable(path, "is not UTF-8", cause);
  }
}

/** The new file would be this user's, whoever's the old one was. */
async function checkOwner({ path, target, stats }: ConfigFile): Promise<void> {
  if (stats === undefined) return;
  if (stats.uid !== process.geteuid?.()) throw unusable(path, "belongs to another user");
  await access(target, constants.W_OK);
}

async function checkUnchanged({ path, text }: Pick<ConfigFile, "path" | "text">): Promise<void> {
  const now = await readConfigFile(path);
  if (now.text !== text) throw changed(path);
}

function changed(path: string, cause?: unknown): HostError {
  return new HostError(
    "CONFIG_CHANGED",
    `${path} changed at this moment, and was left as it is. Close its host, then try again.`,
    { cause },
  );
}

function named(cause: unknown, path: string, what: string): unknown {
  if (cause instanceof HostError) return cause;
  const errno = errnoOf(cause);
  return errno === undefined ? cause : unusable(path, `${what} (${errno})`, cause);
}

function unusable(path: string, what: string, cause?: unknown): HostError {
  return new HostError("CONFIG_UNUSABLE", `${path} ${what}. Nothing was changed in it.`, { cause });
}
