import { constants } from "node:os";
import { CodedError } from "../coded-error.js";

/** Why this machine's side of a connection failed: its settings, its home, or its broker. */
export type EndpointErrorCode =
  /** A setting has a value that cannot be used. */
  | "CONFIG_INVALID"
  /** The home cannot be made, or is not private, or is not writable. */
  | "HOME_UNUSABLE"
  /** The file system of the home refuses locks, by which a broker knows that it is alone. */
  | "LOCKS_REFUSED"
  /** The socket's path exceeds what the operating system takes. */
  | "SOCKET_PATH_TOO_LONG"
  /** No broker answers, and none may be started here. */
  | "BROKER_UNREACHABLE"
  /** The broker of another machine lets this one in no more. */
  | "MACHINE_REFUSED"
  /** What was kept of the broker that was joined cannot be read, or a newer version wrote it. */
  | "JOINED_DAMAGED"
  | "JOINED_NEWER"
  /** A line to join with is none, or what answers there is not the broker that it names. */
  | "JOIN_FAILED"
  /** A broker was started and did not come up. */
  | "BROKER_START_FAILED"
  /** A broker holds the home, and what was asked for needs it at rest. */
  | "HOME_SERVED"
  /** What the home's broker keeps could not be moved to another store. */
  | "MOVE_FAILED"
  /** The home's database was written by a newer version than this one. */
  | "STORE_NEWER"
  /** The engine in which the home's broker keeps mail cannot be used now. */
  | "STORE_UNREACHABLE"
  /** The home's database is damaged, or none of ours. */
  | "STORE_DAMAGED";

export class EndpointError extends CodedError<EndpointErrorCode> {
  override readonly name = "EndpointError";
}

/** Why the system does not store, and what helps. */
export interface StorageTrouble {
  readonly what: string;
  readonly fix: string;
}

/** Undefined for an error that is about something else. */
export function storageTrouble(error: unknown): StorageTrouble | undefined {
  return troubles[errnoOf(error) ?? ""];
}

const troubles: Readonly<Record<string, StorageTrouble>> = {
  ENOSPC: { what: "the disk is full (ENOSPC)", fix: "Free some room" },
  EDQUOT: {
    what: "the quota of disk space is used up (EDQUOT)",
    fix: "Free some room, or have it raised",
  },
  EFBIG: {
    what: "files may not grow further (EFBIG)",
    fix: "Start it without a bound on their size (ulimit -f)",
  },
  EROFS: {
    what: "the file system is read-only (EROFS)",
    fix: "Have it mounted so that it can be written",
  },
  EIO: { what: "the disk fails (EIO)", fix: "Have it checked" },
};

/** An error of writing in whole sentences: `path` where the error names none. Any other error as it is. */
export function explainStorage(error: unknown, path: string): unknown {
  const trouble = storageTrouble(error);
  if (trouble === undefined) return error;
  const message = `${path} cannot be written: ${trouble.what}. ${trouble.fix}.`;
  return new EndpointError("HOME_UNUSABLE", message, { cause: error });
}

/** The same, and a sentence with its code for any other error of the operating system. */
export function explainWriting(error: unknown, path: string): unknown {
  const told = explainStorage(error, path);
  const why = errnoOf(error);
  if (told !== error || error instanceof EndpointError || why === undefined) return told;
  const message = `${path} cannot be written (${why}).`;
  return new EndpointError("HOME_UNUSABLE", message, { cause: error });
}

/** The code of an error of the operating system, for example `ENOENT`; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  if (typeof error.code !== "string") return undefined;
  return error.code.startsWith("Unknown system error") && "errno" in error
    ? nameOf(-Number(error.errno))
    : error.code;
}

/** Node has no names for some, among them EDQUOT and ENOLCK. */
function nameOf(number: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === number);
  return found?.[0] ?? `errno ${number}`;
}
