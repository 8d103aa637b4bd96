import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { readRegularFile } from "../endpoint/regular-file.js";
import { maxGitFileBytes } from "./limits.js";

/** A working copy of a project. */
export interface Checkout {
  readonly root: string;
  /** Empty when no branch is checked out. */
  readonly branch: string;
}

/** The git checkout that a directory lies in; undefined where there is none. Reads files, runs nothing. */
export async function findCheckout(directory: string): Promise<Checkout | undefined> {
  for (let root = directory; ; root = dirname(root)) {
    const gitDirectory = await findGitDirectory(root);
    if (gitDirectory !== undefined) return { root, branch: await readBranch(gitDirectory) };
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
