import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { HostError } from "./host-error.js";
import type { ConfigEntry } from "../installer.js";

/** The name under which hosts know the server. */
export const serverName = "peerline";

/** The program that a host starts as its MCP server. */
export interface ServerCommand {
  /** Absolute: hosts started from a desktop have another search path than a shell. */
  readonly command: string;
  readonly args: readonly string[];
}

/** The command that starts this program again, later; PROGRAM_FLEETING where it will be gone by then. */
export function serverCommand(node: string, program: string): ServerCommand {
  for (const path of [program, node]) {
    if (isFleetingPath(path)) {
      throw new HostError(
        "PROGRAM_FLEETING",
        `${path} is in the cache of a package runner and will be deleted. ` +
          "Install peerline (npm install --global peerline), then run `peerline install`.",
      );
    }
  }
  return { command: node, args: [program, "mcp"] };
}

/** What an entry is, beside the forms in which this program writes it. */
export function entryKind(entry: unknown, written: readonly object[]): ConfigEntry["kind"] {
  if (entry === undefined) return "absent";
  if (!isObject(entry) || !startsPeerline(entry["args"])) return "foreign";
  const own = written.some((form) => isDeepStrictEqual(settingsOf(entry), settingsOf(form)));
  return own ? "own" : "edited";
}

/** Whether a path is in a folder that a package runner deletes again. */
export function isFleetingPath(path: string): boolean {
  return fleeting.test(path);
}

// Caches of npx, of pnpm's and yarn's dlx, and of bunx.
const fleeting = /[/\\](?:_npx|dlx(?:-[^/\\]*)?|bunx-[^/\\]*)[/\\]/;

// Any path will do: the program may have moved since.
function startsPeerline(args: unknown): boolean {
  if (!Array.isArray(args) || args.length !== 2) return false;
  const [program, verb] = args as unknown[];
  return typeof program === "string" && basename(program) === "peerline.js" && verb === "mcp";
}

/** What an entry says beside the command; hosts write or leave out a transport and an environment that change nothing. */
function settingsOf(entry: object): Record<string, unknown> {
  const { command: _, args: __, type = "stdio", env = {}, ...settings } = entry as Entry;
  return { ...settings, type, env };
}

type Entry = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
