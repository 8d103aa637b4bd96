import { accessSync, constants, existsSync, lstatSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { errnoOf } from "../../endpoint/endpoint-error.js";
import { maxSocketPathBytes } from "../../endpoint/limits.js";
import { advise, commandLine } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

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
  /** Something on the way to it cannot be passed. */
  | "unreachable";

export function lookAtHome(path: string): HomeView {
  try {
    // This fails for a link to nothing, as making the home would.
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
  // On a read-only file system a running broker still answers, and the mode is not to blame.
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

/** The directory that holds everything: whether it is there, this user's alone, and short enough. */
export function checkHome({ config, home }: Evidence): Finding[] {
  const { path, state } = home;
  if (state === "usable" || state === "missing") {
    return [present(home), ...isLink(config.home), ...isElsewhere(config.home)];
  }
  return [{ severity: "problem", subject: path, ...troubleOf(path, state) }];
}

function present({ path, state }: Evidence["home"]): Finding {
  if (state === "usable")
    return { id: "home", severity: "ok", subject: path, seen: "it is this user's alone" };
  const seen = "it is not there yet: the first agent makes it";
  return { id: "home-missing", severity: "note", subject: path, seen };
}

function isLink(path: string): Finding[] {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return [];
  const seen = "it is a link: whoever changes where it leads parts the agents";
  return [{ id: "home-link", severity: "note", subject: path, seen }];
}

function isElsewhere(path: string): Finding[] {
  const usual = join(homedir(), ".peerline");
  if (path === usual) return [];
  const seen = `PEERLINE_HOME says so here: an agent that is started without it uses ${usual}`;
  return [{ id: "home-elsewhere", severity: "note", subject: path, seen }];
}

/** What is wrong with a home, and what to do about it. */
function troubleOf(
  path: string,
  state: Exclude<HomeState, "usable" | "missing">,
): Omit<Finding, "severity" | "subject"> {
  const id = "home-unusable";
  const anotherHome = { fix: "Set PEERLINE_HOME to a directory of your own, or unset it" };
  const closed = advise([commandLine("chmod", "700", path)]);
  switch (state) {
    case "unmakeable":
      return { id, seen: "it is not there, and this user may not make it", ...anotherHome };
    case "unreachable": {
      const why = "something on its path is no directory, is closed, or leads nowhere";
      return { id, seen: `it cannot be reached: ${why}`, ...anotherHome };
    }
    case "not-a-folder":
      return { id, seen: "it is not a directory", ...anotherHome };
    case "not-own":
      return { id: "home-own", seen: "it belongs to another user", ...anotherHome };
    case "open": {
      const seen = "other users may enter it: nothing of Peerline starts";
      return { id: "home-open", seen, ...closed };
    }
    case "locked":
      return { id, seen: "its owner may not read, write or enter it", ...closed };
    case "path-long": {
      const bytes = Buffer.byteLength(join(path, "broker.sock"));
      const seen = `the socket's path has ${bytes} bytes, and may have ${maxSocketPathBytes}`;
      const fix = "Set PEERLINE_HOME to a shorter path, the same for all agents";
      return { id: "home-path-long", seen, fix };
    }
  }
}
