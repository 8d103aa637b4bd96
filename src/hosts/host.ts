import type { Config, UserPlaces } from "../endpoint/config.js";
import type { ConfigChange } from "./config-files/config-change.js";
import type { ServerCommand } from "./config-files/server-entry.js";
import type { FoundHook } from "./doorbell/find-hooks.js";
import type { HookTable } from "./doorbell/hook.js";
import { maxConversationIdBytes, usualMaxResultBytes, usualMaxWaitMs } from "./limits.js";

/** Everything particular to one coding agent's program. What a host lacks, it says by a value. */
export interface Host extends HostClient {
  /** What people call it. */
  readonly title: string;
  /** Its programs' names; one of them on the search path means that the host is here. Users start the first. */
  readonly programs: readonly [string, ...string[]];
  /** Files or folders that the host leaves where it was used. */
  traces(places: UserPlaces): readonly string[];
  /** The changes to its files that name Peerline's server there: to one file at most one. */
  changes(options: InstallOptions): readonly ConfigChange[];
  /** Changes to other files of the user's, which take out what the host added to the entry and put nothing. */
  additions(places: UserPlaces): readonly ConfigChange[];
  /** Where else people write servers. */
  otherPlaces(places: UserPlaces, project: string): readonly OtherPlace[];
  /** The host can be told in a file that it need not ask before it calls a tool. */
  readonly trustable: boolean;
  /** What the user has to do before it works. */
  nextStep(options: Pick<InstallOptions, "scope" | "hooks">): string;
  /** What its servers see of its environment: the whole, or what a setting of their entries lists. */
  readonly environment: "whole" | { readonly listedIn: string };
  /** Without hooks it cannot be told of mail between the agent's own calls. */
  readonly hooks: HostHooks | "none";
  /** Finds Peerline's plugin or extension where it is in use; a HostError where that cannot be read. */
  readonly findPlugin:
    | ((places: UserPlaces, project: string) => Promise<FoundPlugin | undefined>)
    | "none";
  /** `none`: it starts servers in every folder. */
  readonly folderTrust: FolderTrust | "none";
}

/** What a coding agent's program lets its MCP servers know, and what it does with their results. */
export interface HostClient {
  /** Its one name: on the command line, for peers, as its folder here and the prefix of conversation ids. */
  readonly name: string;
  /** Whether a `clientInfo.name` is this host. */
  isClient(clientName: string): boolean;
  /** The host's session as the environment tells it; undefined when it does not. */
  conversationOfProcess(config: Config): string | undefined;
  /** The host's session as the `_meta` of a call tells it; undefined when it does not. */
  conversationOfCall(meta: Readonly<Record<string, unknown>>): string | undefined;
  /** One process of the host may run several sessions, each with a server of its own. */
  readonly sharesProcess: boolean;
  /** Wakes an idle session by a command of the host. Never rejects. */
  readonly wake:
    | ((session: string, line: string, signal: AbortSignal) => Promise<WakeResult>)
    | "none";
  /** By what its servers put a line before an idle session, where the user allowed it. */
  readonly channel: Channel | "none";
  /** The longest that one call may last, in milliseconds, before this host gives it up. */
  readonly maxWaitMs: number;
  /** The largest result, in bytes as serialised, that this host shows its model whole. */
  readonly maxResultBytes: number;
}

/** A client that tells nothing of its sessions, and cannot wake one. Its bounds are not known. */
export const silentClient: Omit<HostClient, "name" | "isClient"> = {
  conversationOfProcess: () => undefined,
  conversationOfCall: () => undefined,
  sharesProcess: true,
  wake: "none",
  channel: "none",
  maxWaitMs: usualMaxWaitMs,
  maxResultBytes: usualMaxResultBytes,
};

/** What became of a wake: the host took it, nobody can tell, or nothing will come of it. */
export type WakeResult = "taken" | "sent" | "refused";

export interface Channel {
  /** The experimental capability that a server declares. */
  readonly capability: string;
  /** The notification that brings a line. */
  notification(line: string): { method: string; params: Record<string, unknown> };
}

/** Whom an installation is for: all that a user works on, or one project. */
export type Scope = "user" | "project";

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

/** A place for servers that `install` does not use. */
export interface OtherPlace {
  readonly path: string;
  /** The names of the objects around the server, from the root of the file. */
  readonly within: readonly string[];
  /**
   * `ignored`: people write servers there, and the host does not look. A command: the host reads it for
   * this project alone, and takes Peerline out by these words.
   */
  readonly use: "ignored" | { readonly removal: readonly string[] };
}

/** Places in several files at which their host does not look. */
export function ignored(servers: string, paths: readonly string[]): OtherPlace[] {
  return paths.map((path) => ({ path, within: [servers], use: "ignored" }));
}

/** The hooks of a host, by which it hears of mail. */
export interface HostHooks extends HookTable {
  /** The files from which it reads hooks and what it does with them; of the project's the first counts most. */
  files(places: UserPlaces, project: string): { user: string; project: readonly string[] };
  /** The setting by which it runs no hooks, or not all of these; `files` are its own, the first counts most. */
  findSwitch(
    files: readonly string[],
    options: { places: UserPlaces; hooks: readonly FoundHook[] },
  ): Promise<HooksSwitch | undefined>;
  /** `none`: it runs them without a word of its user. */
  readonly trust: HookTrust | "none";
}

/** A setting with which a host runs no hooks, or not all of the doorbell's. */
export interface HooksSwitch {
  readonly path: string;
  /** The names to the setting, with dots between them. */
  readonly setting: string;
}

/** What a user allows before the host runs a hook. */
export interface HookTrust {
  isHookTrusted(hook: FoundHook, places: UserPlaces): Promise<boolean>;
  /** All hooks of Peerline's plugin. */
  isPluginTrusted(places: UserPlaces): Promise<boolean>;
  /** How the user does that: a sentence without its end. */
  readonly way: string;
}

/** Peerline's plugin or extension, in use in a host: it starts a server of its own, and has hooks. */
export interface FoundPlugin {
  /** The file or folder that says so. */
  readonly path: string;
  /** The words of the command with which the host takes it out. */
  readonly removal: readonly string[];
}

/** Whether a host starts servers in a folder. */
export interface FolderTrust {
  /** What the user said of a folder, and the file that has it. */
  look(folder: string, places: UserPlaces): Promise<{ trust: Trust; path: string }>;
  /** What the user types in the host to trust the folder. */
  readonly command: string;
}

export type Trust = "trusted" | "refused" | "asked";

/**
 * A host's own session as the broker is told it; undefined for what is no usable id. A wrong id would hand
 * an agent another's identity. A missing one only gives it a new one.
 */
export function conversationId(hostName: string, id: unknown): string | undefined {
  if (typeof id !== "string" || !/^[A-Za-z0-9._:/-]+$/.test(id)) return undefined;
  const conversation = `${hostName}:${id}`;
  return conversation.length <= maxConversationIdBytes ? conversation : undefined;
}

/** The host's own name of the session that a conversation id is made of. */
export function sessionOf(conversation: string): string {
  return conversation.slice(conversation.indexOf(":") + 1);
}
