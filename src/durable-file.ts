import { randomUUID } from "node:crypto";
import { closeSync, constants, fsyncSync, renameSync, type Stats } from "node:fs";
import { link, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { constants as system } from "node:os";
import { basename, dirname, join } from "node:path";
import { openFile } from "./open-file.js";

/**
 * Gives a path a file with this text, at once and durably. A reader finds the whole text or what was there
 * before, also after a power cut.
 *
 * 1. Write a draft beside it, with the owner and the mode of `like`, and sync it.
 * 2. Run `check`. If it throws, nothing has changed.
 * 3. Give the draft the name. Without `replaces`: EEXIST where a file has it.
 * 4. Sync the names of the folder.
 */
export async function writeDurably(
  path: string,
  text: string | Uint8Array,
  options: { replaces?: boolean; like?: Stats | undefined; check?: () => Promise<void> } = {},
): Promise<void> {
  const draft = `${path}.${randomUUID()}.new`;
  try {
    await writeDraft(draft, text, options.like);
    await options.check?.();
    if (options.replaces === true) await rename(draft, path);
    else await placeFile(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Removes the drafts that processes which were killed have left beside a file. Nobody may be writing it. */
export async function removeDrafts(path: string): Promise<void> {
  const prefix = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    const isDraft = name.startsWith(prefix) && draftEnd.test(name.slice(prefix.length));
    if (isDraft) await rm(join(dirname(path), name), { force: true });
  }
}

/** What a draft's name has after that of its file and a dot. */
const draftEnd = /^[0-9a-f]{8}-[0-9a-f-]{27}\.new$/;

/** The same for a whole file that somebody else has written: it is synced, and then takes the name `to`. */
export function renameDurably(from: string, to: string): void {
  sync(from);
  renameSync(from, to);
  sync(dirname(to));
}

/** Makes a file, or the names in a folder, survive a power cut. */
export function sync(path: string): void {
  const file = openFile(path, constants.O_RDONLY);
  if (file === undefined) throw new Error(`${path} is no regular file.`);
  try {
    fsyncSync(file);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  } finally {
    closeSync(file);
  }
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Gives a synced draft its name, where no file has that name: EEXIST where one has. Of many that come at
 * once one succeeds.
 *
 * A hard link does both at once. Some file systems refuse links: SMB, virtiofs, FAT, some containers.
 * There it takes two steps:
 *
 * 1. Make an empty file of the name. Only one process can.
 * 2. Rename the draft over it. All others have got EEXIST.
 *
 * Between the two a reader finds an empty file, and waits (see openSecretFile). A process that ends there
 * leaves it. It is told and not repaired, because a process that was only held up may go on.
 */
export async function placeFile(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
    await unlink(draft).catch(() => {});
  } catch (error) {
    if (!hasNumber(error, refusedLinks)) throw error;
    await (await open(path, "wx", 0o600)).close();
    await rename(draft, path);
  }
}

async function writeDraft(
  draft: string,
  text: string | Uint8Array,
  like: Stats | undefined,
): Promise<void> {
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(text);
    if (like !== undefined) {
      const { gid } = await handle.stat();
      if (gid !== like.gid) await handle.chown(like.uid, like.gid);
      await handle.chmod(like.mode & 0o7777);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** On SMB and the like a folder cannot be synced: there the server answers for its names. */
function isUnsupported(error: unknown): boolean {
  return hasNumber(error, unsupported);
}

const { EPERM, EACCES, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL, EXDEV } = system.errno;
const unsupported: readonly number[] = [EINVAL, ENOTSUP, EOPNOTSUPP, ENOSYS];
const refusedLinks: readonly number[] = [...unsupported, EPERM, EACCES, EXDEV];

/** By number: Node has no name for some of them on some systems. */
function hasNumber(error: unknown, numbers: readonly number[]): boolean {
  return error instanceof Error && "errno" in error && numbers.includes(-Number(error.errno));
}
