import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { openHome } from "../endpoint/home.js";
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
    const parsed = parseRecord(record.text);
    if (parsed === undefined) return undefined;
    if (!parsed.existed) return { ...parsed, before: null };
    return text.text === undefined ? undefined : { ...parsed, before: text.text };
  }

  /** Keeps a record, durably, in place of an earlier one. Returns the path of the text; undefined where there was none. */
  async write(path: string, record: InstallRecord): Promise<string | undefined> {
    openHome(this.#home);
    const [text, recordFile] = await this.#open(path);
    await makeFolder(text);
    const { before, ...rest } = record;
    if (before !== null) await replaceConfigFile(text, before);
    const line = JSON.stringify({ path, existed: before !== null, ...rest });
    await replaceConfigFile(recordFile, `${line}\n`);
    return before === null ? undefined : text.path;
  }

  /** Keeps a text of a file beside its record, whatever becomes of that. Returns the path of the copy. */
  async keep(path: string, text: string): Promise<string> {
    openHome(this.#home);
    const copy = await readConfigFile(`${this.#pathOf(path)}.${sha256(text).slice(0, 8)}`);
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
    const { existed, afterSha256, madeFolder } = JSON.parse(text ?? "") as Record<string, unknown>;
    if (typeof existed !== "boolean" || typeof afterSha256 !== "string") return undefined;
    return {
      existed,
      afterSha256,
      madeFolder: typeof madeFolder === "string" ? madeFolder : undefined,
    };
  } catch {
    return undefined;
  }
}
