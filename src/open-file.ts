import { closeSync, constants, fstatSync, openSync } from "node:fs";

/** Flags with which opening a path never waits, and never gives the process a terminal. */
export const unwaiting = constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * The descriptor of a file, or of a folder that is only read. Undefined where something else stands at the
 * path: a named pipe, opened in the usual way, would hold the process up until somebody opens its other end.
 *
 * @param flags of `constants`; a file that they make is its owner's alone.
 */
export function openFile(path: string, flags: number): number | undefined {
  let file: number;
  try {
    file = openSync(path, flags | unwaiting, 0o600);
  } catch (error) {
    // A pipe that nobody reads, or a socket.
    if (error instanceof Error && "code" in error && error.code === "ENXIO") return undefined;
    throw error;
  }
  const stats = fstatSync(file);
  if (stats.isFile() || stats.isDirectory()) return file;
  closeSync(file);
  return undefined;
}
