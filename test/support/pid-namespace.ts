import { spawnSync } from "node:child_process";

/** A command in a pid namespace of its own, as a container has one: it is process 1 there. */
export function separated(...command: readonly string[]): string[] {
  return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", ...command];
}

/** Why no pid namespace can be made here; undefined where one can. */
export const cannotSeparate: string | undefined = whyNot(...separated("true"));

/** Why a command by `unshare` cannot be run here; undefined where it can. */
export function whyNot(...[command = "", ...args]: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) return `unshare of util-linux is missing (${error.message})`;
  return status === 0 ? undefined : `unshare is not allowed: ${stderr.trim()}`;
}
