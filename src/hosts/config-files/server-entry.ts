import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Before, ConfigChange, ConfigEntry } from "./config-change.js";
import { HostError } from "./host-error.js";
import type { JsonDialect } from "./json-document.js";
import { JsonFile } from "./json-file.js";

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
          "Install peerline (in a clone: npm ci && npm install --global .), then run `peerline install`.",
      );
    }
  }
  return { command: node, args: [program, "mcp"] };
}

/** Whether a path is in a folder that a package runner deletes again. */
export function isFleetingPath(path: string): boolean {
  return fleeting.test(path);
}

// Caches of npx, of pnpm's and yarn's dlx, and of bunx.
const fleeting = /[/\\](?:_npx|dlx(?:-[^/\\]*)?|bunx-[^/\\]*)[/\\]/;

/** A file of a host that names servers, with Peerline's place in it; no text is no file. */
export interface ServerFile {
  readonly path: string;
  /** What is under Peerline's name, except for what the host adds there itself; undefined where nothing is. */
  read(text: string | undefined): unknown;
  /** Whether only what the host added is under Peerline's name. */
  isLeftover(text: string | undefined): boolean;
  /** A server as people write it in such a file. */
  show(server: object): string;
  /** What the host added stays. */
  put(text: string | undefined, server: object): string;
  /** What the host added goes too. */
  remove(text: string, before: Before): string | undefined;
}

/** The change that names Peerline's server in a file. */
export function serverEntry(
  file: ServerFile,
  options: {
    entry: object;
    /** The entry with which the host does not ask; once it is there, it stays so. */
    trusted?: object;
    trust: boolean;
  },
): ConfigChange {
  const { entry, trusted = entry, trust } = options;
  return {
    path: file.path,
    entry(text): ConfigEntry {
      if (file.isLeftover(text)) return { kind: "leftover", shown: "" };
      const server = file.read(text);
      const shown = isObject(server) ? file.show(server) : (JSON.stringify(server) ?? "");
      return { kind: entryKind(server, [entry, trusted]), shown, server };
    },
    put(text) {
      const isTrusted = trust || entryKind(file.read(text), [trusted]) === "own";
      return file.put(text, isTrusted ? trusted : entry);
    },
    remove: (text, before) => file.remove(text, before),
  };
}

/** The change that takes out what a host added where no server is, and puts nothing. */
export function addition(file: ServerFile): ConfigChange {
  return {
    path: file.path,
    entry(text): ConfigEntry {
      // A file that says nothing of Peerline is not read: it may be broken.
      const isLeftover = text?.includes(serverName) === true && file.isLeftover(text);
      return { kind: isLeftover ? "leftover" : "absent", shown: "" };
    },
    put: (text = "") => text,
    remove: (text, before) => file.remove(text, before),
  };
}

/** Peerline's place in a JSON file with one object of servers, of this name. */
export function jsonServers(path: string, servers: string, dialect: JsonDialect): ServerFile {
  const file = new JsonFile(path, dialect);
  const member = (value?: object) => ({ within: [servers], name: serverName, value });
  return {
    path,
    read: (text) => file.read(text, member()),
    isLeftover: () => false,
    show: (server) => JSON.stringify(server, null, 2),
    put: (text, server) => file.put(text, member(server)),
    remove: (text, before) => file.remove(text, member(), before),
  };
}

/** What an entry is, beside the forms in which this program writes it. */
export function entryKind(entry: unknown, written: readonly object[]): ConfigEntry["kind"] {
  if (entry === undefined) return "absent";
  if (!isObject(entry) || !startsPeerline(entry["args"])) return "foreign";
  const own = written.some((form) => isDeepStrictEqual(settingsOf(entry), settingsOf(form)));
  return own ? "own" : "edited";
}

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

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
