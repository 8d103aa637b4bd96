import type { UserPlaces } from "../endpoint/config.js";
import type { HookTable } from "./doorbell/hook.js";
import type { ServerCommand } from "./config-files/server-command.js";

/** Whom an installation is for: all that a user works on, or one project. */
export type Scope = "user" | "project";

/** How Peerline's MCP server becomes known to one host. */
export interface Installer {
  /** What the host is called on the command line. */
  readonly name: string;
  readonly title: string;
  /** Its programs' names; one of them on the search path means that the host is here. */
  readonly programs: readonly string[];
  /** Files or folders that the host leaves where it was used. */
  traces(places: UserPlaces): readonly string[];
  /** The changes to its files: to one file at most one. */
  changes(options: InstallOptions): readonly ConfigChange[];
  /** Its hooks, as they are written; a host without them cannot be told of mail by one. */
  readonly hookTable?: HookTable;
  /** The host can be told in a file that it need not ask before it calls a tool. */
  readonly trustable: boolean;
  /** What the user has to do before it works. */
  nextStep(options: Pick<InstallOptions, "scope" | "hooks">): string;
}

export interface InstallOptions {
  readonly scope: Scope;
  /** The host is not to ask before it calls a tool. */
  readonly trust: boolean;
  /** The host is to run hooks by which the agent hears of mail between its own calls. */
  readonly hooks: boolean;
  readonly places: UserPlaces;
  /** The project's folder. */
  readonly project: string;
  readonly server: ServerCommand;
}

/**
 * One change to one file, as functions of its text; no text is no file. They throw a HostError for a
 * text that the host cannot read, or that cannot be changed without touching anything else in it.
 */
export interface ConfigChange {
  readonly path: string;
  entry(text: string | undefined): ConfigEntry;
  /** The text with the entry in it; what was under its name is replaced. The same text where nothing is to do. */
  put(text: string | undefined): string;
  /**
   * The text without the entry. `before` is the text as it was before the entry came, as far as that
   * is known: an object that held nothing but the entry stays if it was there before; a file that
   * held nothing else stays if it was.
   */
  remove(text: string, before: Before): string | undefined;
}

/** A text of the past: null is no file, undefined is that nobody knows. */
export type Before = string | null | undefined;

/** What a file holds under Peerline's name. */
export interface ConfigEntry {
  readonly kind:
    | "absent"
    /** As this program, or the README, writes it. */
    | "own"
    /** It starts Peerline, and somebody added to it. */
    | "edited"
    /** It starts something else. */
    | "foreign";
  /** The entry for people to read. */
  readonly shown: string;
  /** The server as the host reads it; undefined where it is absent, or the change is about something else. */
  readonly server?: unknown;
}
