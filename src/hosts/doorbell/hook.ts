import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ServerCommand } from "../config-files/server-entry.js";

/** What a host runs at one of its events. */
export interface Hook {
  readonly event: string;
  /** What `doorbell.sh` is to do, where that is not to tell of the event. */
  readonly task?: "rewake";
  /** `known`: its entries pass only the host's name, and the script knows the rest. */
  readonly facts: "known" | HookFacts;
  /** Beside the command. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What `doorbell.sh` has to know of a hook, as its arguments. */
export interface HookFacts {
  /** When the host runs it: as it starts, at a prompt, after a tool, or at the end of a turn. */
  readonly moment: "start" | "prompt" | "tool" | "end";
  /** How a line comes to the model: beside what it reads, or as the reason for which it goes on. */
  readonly answer: "context" | "block";
  /**
   * What the agent's folder is named for: `process`, or the session if the host's calls name it. Then this
   * is the field of the hook's input that has the session's name.
   */
  readonly folder: string;
  /** The field of the hook's input that names the conversation, also as a path that ends with it; or `none`. */
  readonly conversation: string;
  /** Whether a subagent, whose input has an `agent_id`, may be told in the place of its session. */
  readonly subagents: "told" | "spared";
}

/** Hooks as they stand in the file of one host. */
export interface HookTable {
  /** What `doorbell.sh` calls the host: the name of its program. */
  readonly host: string;
  readonly hooks: readonly Hook[];
}

/** A hook as it stands in a group: the element of its event's array, in which hosts keep hooks together. */
export function hookEntry(server: ServerCommand, host: string, hook: Hook): object {
  const command = commandOf(scriptBeside(server.args[0] ?? ""), host, hook);
  return { type: "command", command, ...hook.settings };
}

// The shell ends with 2 where there is no script, and to hosts that means: stop what you are doing.
function commandOf(path: string, host: string, hook: Hook): string {
  const script = quoted(path);
  return `[ ! -r ${script} ] || sh ${script}${argumentsOf(host, hook)}`;
}

/** Whether an entry runs the script of this path and nothing beside it. */
export function runsOnly(entry: unknown, script: string, host: string, hook: Hook): boolean {
  return objectOf(entry)["command"] === commandOf(script, host, hook);
}

/** The script that comes with a program. */
export function scriptBeside(program: string): string {
  return join(dirname(program), scriptName);
}

/** The script that an entry runs for this hook, wherever it is; undefined where it does something else. */
export function scriptOf(entry: unknown, host: string, hook: Hook): string | undefined {
  const { command } = objectOf(entry);
  const args = argumentsOf(host, hook);
  if (typeof command !== "string" || !command.endsWith(args)) return undefined;
  const word = /(?:^|\s)sh '(.*)'$/s.exec(command.slice(0, -args.length))?.[1];
  const script = word?.replaceAll(quoteInQuotes, "'");
  return script !== undefined && basename(script) === scriptName ? script : undefined;
}

/** The entries of a group. */
export function entriesOf(group: unknown): readonly unknown[] {
  const { hooks } = objectOf(group);
  return Array.isArray(hooks) ? hooks : [];
}

/** Whether a group says more than its entries: for some hosts, when they are run. */
export function hasConditions(group: unknown): boolean {
  return Object.keys(objectOf(group)).some((key) => key !== "hooks");
}

/** Whether an entry is as this program writes it, except for the path of the script. */
export function isAsWritten(entry: unknown, { settings }: Hook): boolean {
  const { command: _, ...held } = objectOf(entry);
  return isDeepStrictEqual(held, { type: "command", ...settings });
}

/** Whether an entry is run at each of its events, and does there what it is for. */
export function isRunAlways(group: unknown, entry: unknown, { settings }: Hook): boolean {
  const { matcher = "" } = objectOf(group);
  const { command: _, ...held } = objectOf(entry);
  const written = { type: "command", ...settings };
  return (matcher === "" || matcher === "*") && isDeepStrictEqual(binding(held), binding(written));
}

const scriptName = "doorbell.sh";

const quoteInQuotes = String.raw`'\''`;

function argumentsOf(host: string, { event, task, facts }: Hook): string {
  const told: Record<string, string> = facts === "known" ? {} : { ...facts };
  const words = Object.entries(told).map(([name, fact]) => `${name}=${fact}`);
  return ` ${[host, task ?? event, "$PPID", ...words.toSorted()].join(" ")}`;
}

/** What may differ: words for people, and how long it may take. */
const freeSettings: ReadonlySet<string> = new Set([
  "timeout",
  "name",
  "description",
  "statusMessage",
]);

function binding(settings: object): object {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !freeSettings.has(name)));
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", quoteInQuotes)}'`;
}
