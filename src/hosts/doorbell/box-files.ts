import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openRegularFile, writeRegularFile } from "../../endpoint/regular-file.js";
import { maxSmallFileBytes } from "../limits.js";

/**
 * Files that hooks of a host write too. They are opened without waiting and without following links, so
 * that whatever stands in their place, such as a named pipe, holds nobody up.
 */

export interface SmallFile {
  readonly text: string;
  /** When it was last written, since the epoch. */
  readonly atMs: number;
}

/** Undefined where there is no file of a few bytes. */
export function readSmallFile(path: string): SmallFile | undefined {
  try {
    using file = openRegularFile(path, "refuse");
    if (file === undefined) return undefined;
    const bytes = file.read(0, maxSmallFileBytes + 1);
    if (bytes.length > maxSmallFileBytes) return undefined;
    return { text: bytes.toString(), atMs: file.stats.mtimeMs };
  } catch {
    return undefined;
  }
}

/** Makes or replaces it. Throws where something else stands there, or there is no room. */
export function writeSmallFile(path: string, text: string): void {
  writeRegularFile(path, text, "replace", "refuse");
}

/** Makes it. Throws where something stands there, or there is no room. */
export function createSmallFile(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  write(openSync(path, O_WRONLY | O_CREAT | O_EXCL | carefully, 0o600), text);
}

/** Writes over the beginning of a file that is there. Throws where it is not. */
export function overwriteSmallFile(path: string, text: string): void {
  write(openSync(path, constants.O_WRONLY | carefully), text);
}

const carefully = constants.O_NONBLOCK | constants.O_NOFOLLOW;

function write(file: number, text: string): void {
  try {
    writeSync(file, text, 0);
  } finally {
    closeSync(file);
  }
}

/**
 * Tells whoever waits in an agent's folder that the bell was hung (`bell`), or to look whether its host
 * is still there (an empty line). False when nobody waits. Never waits itself: opening fails where
 * nobody reads, and a line is less than a pipe takes at once.
 */
export function tellWaiter(folder: string, line: "bell" | ""): boolean {
  return usePipe(folder, (pipe) => writeSync(pipe, `${line}\n`) > 0);
}

/** Whether somebody waits in an agent's folder: that shows from every container that shares the folder. */
export function isPipeRead(folder: string): boolean {
  return usePipe(folder, () => true);
}

function usePipe(folder: string, use: (pipe: number) => boolean): boolean {
  let pipe: number | undefined;
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    pipe = openSync(join(folder, "waiter"), flags);
    return fstatSync(pipe).isFIFO() && use(pipe);
  } catch {
    return false;
  } finally {
    if (pipe !== undefined) closeSync(pipe);
  }
}
