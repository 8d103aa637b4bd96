import { realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, sep } from "node:path";
import { isNode } from "../../endpoint/broker-command.js";
import { findProgram } from "../../endpoint/find-program.js";
import { openRegularFile } from "../../endpoint/regular-file.js";
import { isWithin } from "../../hosts/config-files/config-file.js";
import type { FoundHook } from "../../hosts/doorbell/find-hooks.js";
import { scriptBeside } from "../../hosts/doorbell/hook.js";
import type { EntryView } from "./check-entries.js";
import type { Evidence } from "./evidence.js";
import { maxManifestBytes } from "../limits.js";

/**
 * Whether an entry starts a Peerline of this machine, and nothing else: this program, `peerline` on the
 * search path, or another one that is installed outside of the project. What a checkout brings along may
 * start anything else.
 */
export function isPlainStart(
  { command, args, env }: Pick<EntryView, "command" | "args" | "env">,
  evidence: Pick<Evidence, "program" | "project" | "places">,
): boolean {
  const isPlain = Object.keys(env).every((name) => name.startsWith("PEERLINE_"));
  if (!isPlain || command === undefined || args.at(-1) !== "mcp") return false;
  const { places, project, program } = evidence;
  if (args.length === 1) return isInstalled(fileOf(command, places.programs), project);
  const [script = ""] = args;
  if (args.length !== 2 || !isAbsolute(script) || !isNode(basename(command))) return false;
  const isOwnNode =
    command === process.execPath || isOutside(fileOf(command, places.programs), project);
  return isOwnNode && (script === program || isInstalled(script, project));
}

function fileOf(command: string, folders: readonly string[]): string | undefined {
  return isAbsolute(command) ? command : findProgram(command, folders);
}

/** Whether a hook of a project runs the script of such a Peerline, and nothing beside it. */
export function isPlainHook(
  { script, isPlain }: Pick<FoundHook, "script" | "isPlain">,
  { program, project }: Pick<Evidence, "program" | "project">,
): boolean {
  return isPlain && (script === scriptBeside(program) || isInstalled(script, project));
}

function isInstalled(path: string | undefined, project: string): boolean {
  return isOutside(path, project) && path !== undefined && programVersion(path) !== undefined;
}

/**
 * Neither the path nor what it leads to is in the project: a link in it may lead elsewhere tomorrow. All is
 * in the root, and whoever may write a file there owns the machine: of it nothing counts as brought along.
 */
function isOutside(path: string | undefined, project: string): boolean {
  try {
    if (path === undefined) return false;
    const folders = [project, realpathSync(project)].filter((folder) => folder !== sep);
    const paths = [path, realpathSync(path)];
    return folders.every((folder) => paths.every((one) => !isWithin(one, folder)));
  } catch {
    return false;
  }
}

/** The version of the Peerline that a program's file belongs to; undefined where that cannot be told. */
export function programVersion(program: string): string | undefined {
  try {
    const folder = dirname(dirname(realpathSync(program)));
    using file = openRegularFile(join(folder, "package.json"));
    const manifest: unknown = JSON.parse(file?.read(0, maxManifestBytes).toString() ?? "");
    const { name, version } = manifest as Record<string, unknown>;
    return name === "peerline" && typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}
