import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
} from "node:fs";
import { errnoOf } from "../../endpoint/errno.js";

/**
 * Files of which nobody knows what they are by now. Nothing but a regular one is opened: at a named pipe
 * one would wait for ever, and to open a device may do something.
 */

/** A file that can be read, until it is disposed. */
export interface RegularFile extends Disposable {
  readonly size: number;
  /** At most so many bytes from there on, fewer at the end. */
  read(position: number, maxBytes: number): Buffer;
}

/** Undefined where there is no file, or something else in its place. Links are followed. */
export function openRegularFile(path: string): RegularFile | undefined {
  const real = resolved(path);
  if (real === undefined || !lstatSync(real).isFile()) return undefined;
  // By now it may be something else.
  const file = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  const stats = fstatSync(file);
  const close = () => closeSync(file);
  if (!stats.isFile()) {
    close();
    return undefined;
  }
  return {
    size: stats.size,
    read(position, maxBytes) {
      const bytes = Buffer.alloc(Math.min(maxBytes, Math.max(0, stats.size - position)));
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, position));
    },
    [Symbol.dispose]: close,
  };
}

/** Whether there is a regular file of at most so many bytes. */
export function isSmallFile(path: string, maxBytes: number): boolean {
  const real = resolved(path);
  if (real === undefined) return false;
  const stats = lstatSync(real);
  return stats.isFile() && stats.size <= maxBytes;
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
