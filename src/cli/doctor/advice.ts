import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { isFleetingPath } from "../../hosts/config-files/server-entry.js";
import type { Scope } from "../../hosts/host.js";
import type { EntryView } from "./check-entries.js";
import type { HostView } from "./check-hosts.js";
import type { Evidence } from "./evidence.js";

/** What to do about a finding, for people and, where a shell can do it, for a shell. */
export interface Advice {
  /** One line: the exact commands or edit. */
  readonly fix: string;
  /**
   * Lines for a POSIX shell that carry the advice out, each after the one before it has succeeded. None of
   * them may lose mail, or anything of the user's: what is in the way is set aside.
   */
  readonly commands: readonly string[];
}

/** Advice that a shell carries out; `note` is what a person has to know beside it. */
export function advise(commands: readonly string[], note?: string): Advice {
  const lines = commands.join("; then ");
  return { commands, fix: note === undefined ? lines : `${lines} (${note})` };
}

/** A path beside this one that is free, to set aside what is there. */
export function asidePath(path: string, suffix = "set-aside"): string {
  const first = `${path}.${suffix}`;
  if (!existsSync(first)) return first;
  let number = 2;
  while (existsSync(`${first}-${number}`)) number += 1;
  return `${first}-${number}`;
}

/** A word as a shell takes it back. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command as it is typed. */
export function commandLine(...words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

/** The commands that write an entry anew as it should be. */
export function reinstall(
  evidence: Evidence,
  { host }: HostView,
  { scope, kind, removal: local }: EntryView,
): string[] {
  const install = installCommands(evidence, host.name, {
    scope: scope === "project" ? scope : "user",
    force: kind !== "own",
  });
  return local === undefined ? install : [commandLine(...local), ...install];
}

/** The command that puts this program on the search path; one that a package runner will delete, as a copy. */
export function installGlobally(program: string): string {
  const copied = isFleetingPath(program) ? ["--install-links", "--ignore-scripts"] : [];
  return commandLine("npm", "install", "--global", ...copied, dirname(dirname(program)));
}

/** The commands that install Peerline into a host. A program that will be deleted is installed first. */
export function installCommands(
  { self, program }: Pick<Evidence, "self" | "program">,
  host: string,
  { scope = "user", force = false }: { scope?: Scope; force?: boolean } = {},
): string[] {
  const options = optionsOf(scope, force);
  return isFleetingPath(program)
    ? [installGlobally(program), `peerline install ${host}${options}`]
    : [`${self} install ${host}${options}`];
}

/** The commands that take all that `install` wrote out of a host's files. */
export function removal({ self }: Evidence, { host, entries, hooks }: HostView): string[] {
  const written = [
    ...entries.map(({ scope, kind }) => ({
      scope,
      isOwn: kind === "own",
      isOurs: kind !== "foreign",
    })),
    ...hooks.map(({ scope, isOwn }) => ({ scope, isOwn, isOurs: true })),
  ].filter(({ isOurs }) => isOurs);
  const local = entries.flatMap(({ kind, removal: words }) =>
    words === undefined || kind === "foreign" ? [] : [commandLine(...words)],
  );
  const scopes = (["user", "project"] as const).flatMap((scope) => {
    const there = written.filter((one) => one.scope === scope);
    if (there.length === 0) return [];
    const force = there.some(({ isOwn }) => !isOwn);
    return [`${self} uninstall ${host.name}${optionsOf(scope, force)}`];
  });
  return [...local, ...scopes];
}

function optionsOf(scope: Scope, force: boolean): string {
  return `${scope === "project" ? " --scope project" : ""}${force ? " --force" : ""}`;
}
