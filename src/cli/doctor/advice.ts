import { existsSync } from "node:fs";

/** What to do about a finding, for people and, where a shell can do it, for a shell. */
export interface Advice {
  /** One line: the exact commands or edit. */
  readonly mend: string;
  /**
   * Lines for a POSIX shell that carry the advice out, each after the one before it has succeeded. None of
   * them may lose mail, or anything of the user's: what is in the way is set aside.
   */
  readonly commands: readonly string[];
}

/** Advice that a shell carries out; `note` is what a person has to know beside it. */
export function advise(commands: readonly string[], note?: string): Advice {
  const lines = commands.join("; then ");
  return { commands, mend: note === undefined ? lines : `${lines} (${note})` };
}

/** A path beside this one that is free, to set aside what is there. */
export function asidePath(path: string, suffix = "set-aside"): string {
  const first = `${path}.${suffix}`;
  if (!existsSync(first)) return first;
  let number = 2;
  while (existsSync(`${first}-${number}`)) number += 1;
  return `${first}-${number}`;
}
