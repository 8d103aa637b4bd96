import { maxPathBytes } from "../contract/limits.js";
import { realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { readRegularFile } from "../endpoint/regular-file.js";
import { maxGitFileBytes } from "./limits.js";

/** A working copy of a project. */
export interface Checkout {
  readonly root: string;
  /** Empty when no branch is checked out. */
  readonly branch: string;
  /**
   * Git's common directory, which the checkouts of one repository share, with links resolved. It is what
   * the checkout says: nothing but a list of peers goes by it. Empty when no path is as long.
   */
  readonly repository: string;
}

/** The git checkout that a directory lies in; undefined where there is none. Reads files, runs nothing. */
export async function findCheckout(directory: string): Promise<Checkout | undefined> {
  for (let root = directory; ; root = dirname(root)) {
    const gitDirectory = await findGitDirectory(root);
    if (gitDirectory !== undefined) {
      const branch = await readBranch(gitDirectory);
      return { root, branch, repository: await findCommonDirectory(gitDirectory) };
    }
    if (root === dirname(root)) return undefined;
  }
}

/** `.git` is a directory, or, in a worktree or submodule, a file that names one. */
async function findGitDirectory(root: string): Promise<string | undefined> {
  const path = join(root, ".git");
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) return path;
  if (!stats?.isFile()) return undefined;
  const target = /^gitdir: (.+)$/m.exec(await readText(path))?.[1];
  return target === undefined ? undefined : resolve(root, target.trimEnd());
}

/** The directory of a worktree is one of its own, with a file that names the common one. */
async function findCommonDirectory(gitDirectory: string): Promise<string> {
  const name = (await readText(join(gitDirectory, "commondir"))).replace(/\r?\n$/, "");
  const path = resolve(gitDirectory, name);
  const real = await realpath(path).catch(() => path);
  return Buffer.byteLength(real) <= maxPathBytes ? real : "";
}

async function readBranch(gitDirectory: string): Promise<string> {
  const head = await readText(join(gitDirectory, "HEAD"));
  const branch = /^ref: refs\/heads\/(.+)$/m.exec(head)?.[1]?.trimEnd() ?? "";
  // With the reftable format HEAD is a stub that names no branch.
  return branch === ".invalid" ? "" : branch;
}

/** What is no small file, or cannot be read, counts as empty: the checkout still is one. */
async function readText(path: string): Promise<string> {
  const file = await readRegularFile(path, maxGitFileBytes).catch(() => undefined);
  return file?.bytes?.toString() ?? "";
}
