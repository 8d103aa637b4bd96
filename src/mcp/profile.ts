import { realpath, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Profile } from "../../gen/peerline/v1/peer_pb.js";
import {
  maxBranchBytes,
  maxClientNameBytes,
  maxClientVersionBytes,
  maxPathBytes,
} from "../contract/limits.js";
import { nameOfOrigin } from "../contract/repository.js";
import { readRegularFile } from "../endpoint/regular-file.js";
import { maxGitConfigBytes, maxGitFileBytes } from "./limits.js";

/** The program that an adapter serves. */
export interface Client {
  readonly name: string;
  readonly version: string;
}

/**
 * What an agent says of itself, and what of it the broker was told last. Its summary is not here: the
 * broker keeps that. Without a working directory the agent has no root either, and its peer is found by
 * its conversation or name alone.
 */
export class AgentProfile {
  readonly #client: Client;
  readonly #cwd: string | undefined;
  #told: Place | undefined;
  #isLooking = false;

  constructor(client: Client, cwd: string | undefined) {
    this.#client = client;
    this.#cwd = cwd;
  }

  /** For a registration, which tells all of it. */
  async describe(): Promise<Described> {
    const place = await describePlace(this.#cwd);
    this.#told = place;
    return {
      clientName: cut(this.#client.name, maxClientNameBytes),
      clientVersion: cut(this.#client.version, maxClientVersionBytes),
      host: hostname(),
      ...place,
    };
  }

  /**
   * Looks where the agent works by now, and tells it where that is not what was told last. One look at a
   * time: a file system that answers nobody must not take every thread.
   */
  async tellChange(tell: (place: Place) => Promise<void>): Promise<void> {
    const before = this.#told;
    if (before === undefined || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const place = await describePlace(this.#cwd);
      if (this.#told !== before || isDeepStrictEqual(place, before)) return;
      await tell(place);
      if (this.#told === before) this.#told = place;
    } finally {
      this.#isLooking = false;
    }
  }
}

/** Where an agent works. */
type Place = Pick<Profile, "cwd" | "root" | "branch" | "repository">;

type Described = Omit<Profile, "summary" | "$typeName">;

async function describePlace(cwd: string | undefined): Promise<Place> {
  const checkout = cwd === undefined ? undefined : await findCheckout(cwd);
  return {
    cwd: cwd ?? "",
    root: checkout?.root ?? cwd ?? "",
    branch: cut(checkout?.branch ?? "", maxBranchBytes),
    repository: checkout?.repository ?? "",
  };
}

/** At most so many bytes of UTF-8, without half a character at the end. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\uFFFD+$/, "");
}

/** A working copy of a project. */
export interface Checkout {
  readonly root: string;
  /** Empty when no branch is checked out. */
  readonly branch: string;
  /**
   * The name of the repository's origin, where it has one in a network; else git's common directory, which the
   * checkouts of one repository share, with links resolved. It is what the checkout says, so only lists of
   * peers use it. Empty if it is too long for a path.
   */
  readonly repository: string;
}

/** The git checkout that a directory lies in; undefined where there is none. Reads files, runs nothing. */
export async function findCheckout(directory: string): Promise<Checkout | undefined> {
  for (let root = directory; ; root = dirname(root)) {
    const gitDirectory = await findGitDirectory(root);
    if (gitDirectory !== undefined) {
      const branch = await readBranch(gitDirectory);
      const common = await findCommonDirectory(gitDirectory);
      return { root, branch, repository: (await readOrigin(common)) ?? common };
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

/** The name of the origin in git's configuration of a repository. What it includes from elsewhere is not read. */
async function readOrigin(commonDirectory: string): Promise<string | undefined> {
  if (commonDirectory === "") return undefined;
  const config = await readText(join(commonDirectory, "config"), maxGitConfigBytes);
  let isOrigin = false;
  for (const line of config.split(/\r?\n/)) {
    if (/^\s*\[/.test(line)) isOrigin = /^\s*\[remote "origin"\]/i.test(line);
    const url = isOrigin ? /(?:^|\])\s*url\s*=\s*(.*)$/i.exec(line)?.[1] : undefined;
    // Git fetches from the first one.
    if (url !== undefined) return nameOfOrigin(plainValue(url));
  }
  return undefined;
}

/** A value without the quotes around it, and without a comment behind it. */
function plainValue(value: string): string {
  const [, quoted, bare = ""] = /^"([^"]*)"|^([^\s#;]*)/.exec(value) ?? [];
  return quoted ?? bare;
}

/** What is no small file, or cannot be read, counts as empty: the checkout still is one. */
async function readText(path: string, maxBytes = maxGitFileBytes): Promise<string> {
  const file = await readRegularFile(path, maxBytes).catch(() => undefined);
  return file?.bytes?.toString() ?? "";
}
