import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { openHome } from "../../endpoint/home.js";
import {
  makeFolder,
  readConfigFile,
  removeFolders,
  replaceConfigFile,
  type ConfigFile,
} from "./config-file.js";

/** What is remembered of an installation into one file. */
export interface InstallRecord {
  /** The text as it was without Peerline; null is no file. */
  readonly before: string | null;
  /** Of the text that the installation wrote: as long as it is there, `before` may be put back. */
  readonly afterSha256: string;
  /** The outermost folder that was made for the file. */
  readonly madeFolder: string | undefined;
  /** The copy of the text with an entry for Peerline that the installation replaced. */
  readonly replaced: string | undefined;
}

/**
 * The texts of hosts' files before Peerline came, in a folder of the home: hosts' files hold secrets,
 * and the home is private. For each file there is its text, to be copied back by hand if need be, and
 * a record beside it.
 */
export class Backups {
  readonly #home: string;

  /** The home's path; the home is made when the first backup is. */
  constructor(home: string) {
    this.#home = home;
  }

  /** The record of a file; undefined where there is none, or no whole one. */
  async read(path: string): Promise<InstallRecord | undefined> {
    const [text, record] = await this.#open(path);
    const found = parseRecord(record.text);
    if (found === undefined) return undefined;
    const { replacedSha256, ...rest } = found;
    const parsed = { ...rest, replaced: await this.#kept(path, replacedSha256) };
    if (!parsed.existed) return { ...parsed, before: null };
    return text.text === undefined ? undefined : { ...parsed, before: text.text };
  }

  /** Keeps a record, durably, in place of an earlier one. Returns the path of the text; undefined where there was none. */
  async write(path: string, record: InstallRecord): Promise<string | undefined> {
    openHome(this.#home);
    const [text, recordFile] = await this.#open(path);
    await makeFolder(text);
    const { before, replaced, ...rest } = record;
    if (before !== null) await replaceConfigFile(text, before);
    const copy = replaced === undefined ? undefined : await readConfigFile(replaced);
    const replacedSha256 = copy?.text === undefined ? undefined : sha256(copy.text);
    const line = JSON.stringify({ path, existed: before !== null, ...rest, replacedSha256 });
    await replaceConfigFile(recordFile, `${line}\n`);
    return before === null ? undefined : text.path;
  }

  /** Keeps a text of a file beside its record, whatever becomes of that. Returns the path of the copy. */
  async keep(path: string, text: string): Promise<string> {
    openHome(this.#home);
    const copy = await readConfigFile(this.#copyOf(path, sha256(text)));
    await makeFolder(copy);
    await replaceConfigFile(copy, text);
    return copy.path;
  }

  /** Removes what is known of a file. */
  async forget(path: string): Promise<void> {
    const files = await this.#open(path);
    for (const file of files) {
      if (file.text !== undefined) await replaceConfigFile(file, undefined);
    }
    await removeFolders(files[0], this.#folder);
  }

  get #folder(): string {
    return join(this.#home, "backups");
  }

  async #open(path: string): Promise<[text: ConfigFile, record: ConfigFile]> {
    const kept = this.#pathOf(path);
    return [await readConfigFile(kept), await readConfigFile(`${kept}.record`)];
  }

  /** The path of a kept text; undefined where it is no longer there. */
  async #kept(path: string, hash: string | undefined): Promise<string | undefined> {
    if (hash === undefined) return undefined;
    const copy = await readConfigFile(this.#copyOf(path, hash));
    return copy.text === undefined ? undefined : copy.path;
  }

  #copyOf(path: string, hash: string): string {
    return `${this.#pathOf(path)}.${hash.slice(0, 8)}`;
  }

  #pathOf(path: string): string {
    const name = `${basename(path).replace(/^\./, "")}.${sha256(path).slice(0, 8)}`;
    return join(this.#folder, name);
  }
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function parseRecord(text: string | undefined) {
  try {
    const record = JSON.parse(text ?? "") as Record<string, unknown>;
    const { existed, afterSha256, madeFolder, replacedSha256 } = record;
    if (typeof existed !== "boolean" || typeof afterSha256 !== "string") return undefined;
    return {
      existed,
      afterSha256,
      madeFolder: typeof madeFolder === "string" ? madeFolder : undefined,
      replacedSha256:
        typeof replacedSha256 === "string" && /^[0-9a-f]{64}$/.test(replacedSha256)
          ? replacedSha256
          : undefined,
    };
  } catch {
    return undefined;
  }
}
