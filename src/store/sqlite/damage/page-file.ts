import { closeSync, fstatSync, readSync } from "node:fs";
import { openStoreFile } from "../store-file.js";
import { type Log, readLog } from "./log-frames.js";
import { syncedFrames } from "./synced-frames.js";

/** Of every database of ours: SQLite's default. */
export const pageBytes = 4096;

/**
 * The pages of a database as the last transaction left them, read without SQLite: those of the log, and
 * below them those of the file. The format: https://www.sqlite.org/fileformat.html
 */
export class PageFile {
  /** Pages are numbered from 1. */
  readonly pageCount: number;
  readonly #file: number;
  readonly #log: Log | undefined;
  readonly #inLog: ReadonlyMap<number, number>;

  constructor(path: string) {
    this.#file = openStoreFile(path, "read");
    const filePages = Math.ceil(fstatSync(this.#file).size / pageBytes);
    this.#log = readLog(path);
    const { pages, commitPages } = committedPages(this.#log, filePages);
    this.#inLog = pages;
    this.pageCount = commitPages === 0 ? filePages : commitPages;
  }

  /** Undefined where it is not there or the disk does not give it. */
  read(page: number): Buffer | undefined {
    if (!(page >= 1 && page <= this.pageCount)) return undefined;
    const start = this.#inLog.get(page);
    if (this.#log !== undefined && start !== undefined) {
      const { buffer, byteOffset } = this.#log.bytes;
      return Buffer.from(buffer, byteOffset + start, pageBytes);
    }
    const bytes = Buffer.alloc(pageBytes);
    try {
      readSync(this.#file, bytes, 0, pageBytes, (page - 1) * pageBytes);
      return bytes;
    } catch {
      return undefined;
    }
  }

  /** Pages whose content is of no meaning any more; empty where the list of them is damaged. */
  freePages(): ReadonlySet<number> {
    const header = this.read(1);
    if (header === undefined) return new Set();
    const free = new Set<number>();
    let trunk = header.readUInt32BE(32);
    while (trunk !== 0) {
      const list = this.read(trunk);
      const count = list?.readUInt32BE(4) ?? 0;
      if (list === undefined || free.has(trunk) || count > pageBytes / 4 - 2) return new Set();
      free.add(trunk);
      for (let index = 0; index < count; index += 1) free.add(list.readUInt32BE(8 + index * 4));
      trunk = list.readUInt32BE(0);
    }
    return free.size === header.readUInt32BE(36) ? free : new Set();
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Where the log has the newest version of each page it holds, and how many pages the database has with
 * them. A frame that is damaged still holds most of its page.
 */
function committedPages(
  log: Log | undefined,
  filePages: number,
): { pages: Map<number, number>; commitPages: number } {
  const frames = log?.frames ?? [];
  const maxPages = filePages + frames.length;
  const pages = new Map<number, number>();
  let commitPages = 0;
  for (const frame of syncedFrames(frames)) {
    if (frame.page > maxPages || frame.commitPages > maxPages) continue;
    pages.set(frame.page, frame.start);
    if (frame.commitPages > 0) commitPages = frame.commitPages;
  }
  return { pages, commitPages };
}
