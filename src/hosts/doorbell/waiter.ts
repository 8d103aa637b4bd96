import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

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
