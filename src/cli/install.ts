import { Argument, Option } from "commander";
import { readConfig, readUserPlaces } from "../endpoint/config.js";
import { allInstallers } from "../hosts/all-installers.js";
import { Backups } from "../hosts/backups.js";
import { install, planInstall, type ConfigEdit } from "../hosts/config-edit.js";
import { findHosts } from "../hosts/find-hosts.js";
import type { Installer, InstallOptions } from "../hosts/installer.js";
import { serverCommand } from "../hosts/server-command.js";
import { editLines } from "./edit-lines.js";
import { forEachHost } from "./each-host.js";
import { projectFolder } from "./project-folder.js";
import { selfCommand } from "./self.js";
import type { Define, Shell } from "./shell.js";

interface Options {
  readonly all: boolean;
  readonly scope: "user" | "project";
  readonly trust: boolean;
  readonly hooks: boolean;
  readonly dryRun: boolean;
  readonly force: boolean;
}

export const defineInstall: Define = (command, shell) => {
  command
    .description(
      "Names peerline's MCP server in the configuration of coding agents, and leaves everything else there as it is. " +
        "Without an agent it says what it would do for each that it finds here.",
    )
    .addArgument(
      new Argument("[agent...]", "where to").choices(allInstallers.map(({ name }) => name)),
    )
    .option("--all", "every agent that is found on this machine", false)
    .addOption(
      new Option("--scope <scope>", "for all you work on, or for the project in this directory")
        .choices(["user", "project"])
        .default("user"),
    )
    .option("--trust", "the agent may use peerline's tools without asking you", false)
    .option("--no-hooks", "without the hooks that tell the agent of mail while it works or is idle")
    .option("--dry-run", "print the exact change and make none", false)
    .option("--force", "replace an entry of that name that is not as peerline writes it", false)
    .addHelpText(
      "after",
      `
The file as it was is kept in the home, under backups.

Examples:
  peerline install
  peerline install claude --dry-run
  peerline install --all --trust
  peerline install codex --scope project`,
    )
    .action((names: string[], options: Options) => run(shell, names, options));
};

async function run(shell: Shell, names: readonly string[], options: Options): Promise<void> {
  const places = readUserPlaces();
  const server = serverCommand(process.execPath, shell.program);
  const chosen = options.all || names.length > 0;
  const hosts =
    names.length > 0 ? allInstallers.filter(({ name }) => names.includes(name)) : findHosts(places);
  const dry = options.dryRun || !chosen;
  const task = { ...options, places, server, project: projectFolder(options, places), dry };
  const backups = new Backups(readConfig().home);
  const open: string[] = [];
  await forEachHost(shell, hosts, async (host) => {
    if (await installInto(host, task, { shell, backups })) open.push(host.name);
  });
  if (!chosen && open.length > 0) {
    await shell.out.lines("", "Nothing was changed. Name the agents you want, or give --all:");
    await shell.out.exact(`  ${selfCommand(shell.program, places)} install ${open.join(" ")}`);
  }
}

interface Task extends InstallOptions {
  readonly dry: boolean;
  readonly force: boolean;
}

/**
 * Everything is planned before anything is written: what cannot be read stops it all. Resolves to
 * whether there was anything to do.
 */
async function installInto(
  host: Installer,
  task: Task,
  { shell, backups }: { shell: Shell; backups: Backups },
): Promise<boolean> {
  const edits: ConfigEdit[] = [];
  for (const change of host.changes(task)) {
    edits.push(await planInstall(change, { backups, force: task.force }));
  }
  const pending = edits.filter(({ file, after }) => file.text !== after);
  const { out, notes } = shell;
  if (task.trust && !host.trustable) {
    await notes.lines(
      `${host.title} has no file for --trust: it asks you when it first uses a tool.`,
    );
  }
  if (pending.length === 0) {
    await out.lines(`${host.title}: peerline is installed already, in ${edits[0]?.file.path}.`);
    return false;
  }
  for (const edit of pending) {
    if (task.dry) await out.exact(...editLines(host, edit, out));
    else await write(host, edit, { shell, backups });
  }
  if (task.dry) return true;
  await out.lines(`  ${host.nextStep(task)}`);
  if (task.scope === "project") {
    await out.lines("  The paths in it are this machine's: keep it out of version control.");
  }
  return true;
}

async function write(
  host: Installer,
  edit: ConfigEdit,
  { shell, backups }: { shell: Shell; backups: Backups },
): Promise<void> {
  const backup = await install(edit, backups);
  await shell.out.lines(
    `${host.title}: wrote ${edit.file.path}${edit.file.text === undefined ? ", a new file" : ""}.`,
    ...(backup === undefined ? [] : [`  As it was: ${backup}`]),
  );
}
