import { link, open, rename, unlink } from "node:fs/promises";
import { errnoOf } from "./endpoint-error.js";

/**
 * Gives a draft, a whole and synced file beside it, its name, where no file has that name: EEXIST where
 * one has. Of many that come at once one succeeds, and whoever reads the file finds it whole.
 *
 * A hard link does both at once. Some file systems refuse those: SMB, virtiofs, FAT, some containers.
 * There it takes two steps:
 *
 *  1. An empty file of the name is made, by one alone: the name is taken.
 *  2. The draft is renamed over it. Nobody else does that: all others have heard EEXIST.
 *
 * Between the two a reader finds an empty file, and waits (see openSecretFile). A process that ends
 * there leaves it: that is told, and not repaired, since one that was only held up may go on.
 */
export async function placeFile(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
    await unlink(draft).catch(() => {});
  } catch (error) {
    if (!refusals.has(errnoOf(error) ?? "")) throw error;
    await (await open(path, "wx", 0o600)).close();
    await rename(draft, path);
  }
}

const refusals = new Set(["EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EXDEV"]);
