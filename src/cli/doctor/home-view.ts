import { accessSync, constants, existsSync, lstatSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../../endpoint/endpoint-error.js";
import { maxSocketPathBytes } from "../../endpoint/limits.js";

/** The home as it is found: unlike opening it, to look makes nothing and closes nothing. */
export interface HomeView {
  /** With links resolved, where it is there. */
  readonly path: string;
  readonly state: HomeState;
}

export type HomeState =
  | "usable"
  /** Not there yet, and it can be made. */
  | "missing"
  | "unmakeable"
  | "not-a-folder"
  | "not-own"
  /** Others may enter it. */
  | "open"
  /** Its owner may not use it. */
  | "locked"
  /** A socket in it would have a path that the system cuts off. */
  | "path-long"
  /** On the way to it is what cannot be passed. */
  | "unreachable";

export function lookAtHome(path: string): HomeView {
  try {
    // Of a link to nothing this fails, as it does for whoever would make the home.
    const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const real = isThere ? realpathSync(path) : path;
    return { path: real, state: stateOf(real) };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return { path, state: "unreachable" };
  }
}

/** The nearest folder above a path, or it itself, that is there. */
export function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

function stateOf(path: string): HomeState {
  if (Buffer.byteLength(join(path, "broker.sock")) > maxSocketPathBytes) return "path-long";
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return isOpenToUs(nearestFolder(path)) ? "missing" : "unmakeable";
  if (!stats.isDirectory()) return "not-a-folder";
  if (stats.uid !== process.getuid?.()) return "not-own";
  if ((stats.mode & 0o077) !== 0) return "open";
  // Of one on a read-only file system a broker that runs is asked still, and no mode is to blame.
  return [undefined, "EROFS"].includes(obstacleIn(path)) ? "usable" : "locked";
}

function isOpenToUs(path: string): boolean {
  return obstacleIn(path) === undefined;
}

/** Why this user may not use a folder; undefined where that is possible. */
function obstacleIn(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory() ? undefined : "ENOTDIR";
  } catch (error) {
    return errnoOf(error) ?? "";
  }
}
