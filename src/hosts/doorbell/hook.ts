import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ServerCommand } from "../server-command.js";

/** What a host runs at one of its events. */
export interface Hook {
  readonly event: string;
  /** What `doorbell.sh` is to do, where that is not to tell of the event. */
  readonly task?: string;
  /** Beside the command. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Hooks as they stand in the file of one host. */
export interface HookTable {
  /** What `doorbell.sh` calls the host. */
  readonly host: string;
  readonly hooks: readonly Hook[];
}

/** A hook's element in the array of its event. */
export function hookElement(server: ServerCommand, host: string, hook: Hook): object {
  const script = quoted(join(dirname(server.args[0] ?? ""), scriptName));
  // The shell ends with 2 where there is no script, and to hosts that means: stop what you are doing.
  const command = `[ ! -r ${script} ] || sh ${script}${argumentsOf(host, hook)}`;
  return { hooks: [{ type: "command", command, ...hook.settings }] };
}

/** Whether an element runs the script for this: wherever the script is, and whatever stands beside. */
export function runsHook(element: unknown, host: string, hook: Hook): boolean {
  return commandsOf(element).some((command) => isCommand(command, argumentsOf(host, hook)));
}

/** Whether an element is as this program writes it, but for the path of the script. */
export function isHookElement(element: unknown, hook: Hook): boolean {
  const [command, ...others] = commandsOf(element);
  if (command === undefined || others.length > 0) return false;
  return isDeepStrictEqual(element, {
    hooks: [{ type: "command", command, ...hook.settings }],
  });
}

const scriptName = "doorbell.sh";

function argumentsOf(host: string, { event, task = event }: Hook): string {
  return ` ${host} ${task} $PPID`;
}

function isCommand(command: string, args: string): boolean {
  if (!command.endsWith(args)) return false;
  const script = /(?:^|\s)sh '(.*)'$/s.exec(command.slice(0, -args.length))?.[1];
  return script !== undefined && basename(script) === scriptName;
}

function commandsOf(element: unknown): string[] {
  const { hooks } = (element ?? {}) as { hooks?: unknown };
  if (!Array.isArray(hooks)) return [];
  return hooks
    .map((hook: unknown) => ((hook ?? {}) as { command?: unknown }).command)
    .filter((command) => typeof command === "string");
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
