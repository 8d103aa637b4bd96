import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  readSync,
  statSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import { lstat, open, stat, type FileHandle } from "node:fs/promises";
import { openFile, unwaiting } from "../open-file.js";
import { EndpointError, errnoOf } from "./endpoint-error.js";

/**
 * The one way to read a file that somebody else may have put there: one of a checkout, of a host, of
 * another process. Whatever stands at the path, nobody waits for it, and only so much of it is read:
 *
 *  1. What is no regular file is not opened: to open a device may do something.
 *  2. It is opened without waiting, and looked at again: by now it may be a named pipe.
 *  3. The caller bounds what is read. The size that a file claims does not count: it may have holes,
 *     it may grow, and the files of /proc claim none.
 */

/** Links are followed to whatever file they lead to; where they are refused, a link counts as no file. */
export type Links = "follow" | "refuse";

/** A file as it was read. */
export interface ReadFile {
  /** All of it; undefined where that is more than was asked for. */
  readonly bytes: Buffer | undefined;
  readonly stats: Stats;
}

/** Undefined where there is no file, or something else in its place. */
export async function readRegularFile(
  path: string,
  maxBytes: number,
  links: Links = "follow",
): Promise<ReadFile | undefined> {
  const look = links === "follow" ? stat : lstat;
  try {
    if (!(await look(path)).isFile()) return undefined;
    const file = await open(path, flagsFor(links));
    try {
      const stats = await file.stat();
      return stats.isFile() ? { bytes: await readAll(file, stats, maxBytes), stats } : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    return absent(error);
  }
}

/**
 * The same for a file that the program keeps itself. Undefined means that nothing stands at the path, not even
 * a link to nothing. What cannot be read is CONFIG_INVALID: a program that took it for missing would make
 * another in its place.
 *
 * @param fix a sentence that says what to do about it
 */
export async function readKeptFile(
  path: string,
  maxBytes: number,
  fix = "Move it away.",
): Promise<ReadFile | undefined> {
  try {
    // A second look, as the file may just have come.
    for (let look = 1; look <= 2; look++) {
      const file = await readRegularFile(path, maxBytes);
      if (file !== undefined) return file;
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    }
  } catch (cause) {
    const why = errnoOf(cause);
    if (why === undefined) throw cause;
    throw new EndpointError("CONFIG_INVALID", `${path} cannot be read (${why}).`, { cause });
  }
  throw new EndpointError("CONFIG_INVALID", `${path} is no regular file. ${fix}`);
}

/** A file that can be read, until it is disposed. Its reading holds the process up. */
export interface RegularFile extends Disposable {
  readonly stats: Stats;
  /** At most so many bytes from there on, fewer at the end. */
  read(position: number, maxBytes: number): Buffer;
}

/** Undefined where there is no file, or something else in its place. */
export function openRegularFile(path: string, links: Links = "follow"): RegularFile | undefined {
  const look = links === "follow" ? statSync : lstatSync;
  try {
    if (!look(path).isFile()) return undefined;
    const file = openFile(path, flagsFor(links));
    if (file === undefined) return undefined;
    const stats = fstatSync(file);
    const close = (): void => closeSync(file);
    if (!stats.isFile()) {
      close();
      return undefined;
    }
    return {
      stats,
      read(position, maxBytes) {
        const bytes = Buffer.alloc(maxBytes);
        return bytes.subarray(0, readSync(file, bytes, 0, maxBytes, position));
      },
      [Symbol.dispose]: close,
    };
  } catch (error) {
    return absent(error);
  }
}

/**
 * The descriptor of a file to write to, made where there is none. Anything else in its place is refused
 * by its name, without waiting: a named pipe would otherwise hold the process up until somebody reads.
 */
export function openRegularFileForWriting(
  path: string,
  how: "append" | "replace",
  links: Links = "follow",
): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_TRUNC } = constants;
  const look = links === "follow" ? statSync : lstatSync;
  try {
    if (look(path, { throwIfNoEntry: false })?.isFile() === false) throw notRegular(path);
    const access = O_WRONLY | O_CREAT | (how === "append" ? O_APPEND : O_TRUNC);
    const file = openFile(path, access | guardsFor(links));
    if (file !== undefined) return file;
  } catch (error) {
    if (errnoOf(error) !== "ELOOP") throw error;
  }
  throw notRegular(path);
}

/** Writes text to such a file. */
export function writeRegularFile(
  path: string,
  text: string,
  how: "append" | "replace",
  links: Links = "follow",
): void {
  const file = openRegularFileForWriting(path, how, links);
  try {
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
}

function notRegular(path: string): EndpointError {
  return new EndpointError("HOME_UNUSABLE", `${path} is no regular file. Move it away.`);
}

function flagsFor(links: Links): number {
  return constants.O_RDONLY | guardsFor(links);
}

function guardsFor(links: Links): number {
  return unwaiting | (links === "follow" ? 0 : constants.O_NOFOLLOW);
}

/** Reads until its end, or until one byte too many has shown that there is more. */
async function readAll(
  file: FileHandle,
  { size }: Stats,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let length = size > maxBytes ? size : 0;
  while (length <= maxBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, maxBytes + 1 - length));
    const { bytesRead } = await file.read(piece, 0, piece.length);
    if (bytesRead === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, bytesRead));
    length += bytesRead;
  }
  return undefined;
}

const pieceBytes = 64 * 1024;

/** A file that was removed, or replaced by a link, a pipe or a device, during the look is no file either. */
function absent(error: unknown): undefined {
  if (!["ENOENT", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) throw error;
  return undefined;
}
