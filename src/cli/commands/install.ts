import { Option } from "commander";
import { homePath, readUserPlaces } from "../../endpoint/config.js";
import { Backups } from "../../hosts/config-files/backups.js";
import { install, planInstall, type ConfigEdit } from "../../hosts/config-files/config-edit.js";
import { serverCommand } from "../../hosts/config-files/server-entry.js";
import { findEntries, findHosts, findPlugin } from "../../hosts/find-hosts.js";
import type { FoundPlugin, Host, InstallOptions } from "../../hosts/host.js";
import { forEachHost, hostArgument, projectFolder } from "../each-host.js";
import { editLines, placeOf, pluginLines } from "../print/edit-lines.js";
import { selfCommand, type Define, type Shell } from "../shell.js";

interface Options {
  readonly all: boolean;
  readonly scope: "user" | "project";
  readonly trust: boolean;
  readonly hooks: boolean;
  readonly dryRun: boolean;
  readonly verbose: boolean;
  readonly force: boolean;
}

export const define: Define = (command, shell) => {
  command
    .description(
      "Names peerline's MCP server in the configuration of coding agents, and leaves everything else there as it is. " +
        "Without an agent it says what it would do for each that it finds here.",
    )
    .addArgument(hostArgument("where to"))
    .option("--all", "every agent that is found on this machine", false)
    .addOption(
      new Option("--scope <scope>", "for all you work on, or for the project in this directory")
        .choices(["user", "project"])
        .default("user"),
    )
    .option("--trust", "the agent may use peerline's tools without asking you", false)
    .option("--no-hooks", "without the hooks that tell the agent of mail while it works or is idle")
    .option("--dry-run", "say for each file what would change, and change none", false)
    .option("--verbose", "with that, also the exact text", false)
    .option(
      "--force",
      "replace an entry of that name that is not as peerline writes it, and follow links out of the project",
      false,
    )
    .addHelpText(
      "after",
      `
The file as it was is kept in the home, under backups. An entry as the page on hosts has it for writing by hand is brought up
to date. Where peerline's plugin is in use, nothing is added: with both,
every agent would be two peers.

Examples:
  peerline install
  peerline install claude-code --dry-run
  peerline install --all --trust
  peerline install codex --scope project`,
    )
    .action((named: Host[], options: Options) => run(shell, named, options));
};

async function run(shell: Shell, named: readonly Host[], options: Options): Promise<void> {
  const places = readUserPlaces();
  const server = serverCommand(process.execPath, shell.program);
  const chosen = options.all || named.length > 0;
  const hosts = named.length > 0 ? named : findHosts(places);
  const dry = options.dryRun || !chosen;
  const self = selfCommand(shell.program, places);
  const task = { ...options, places, server, project: projectFolder(options, places), dry, self };
  const backups = new Backups(homePath());
  const open: string[] = [];
  await forEachHost(shell, hosts, async (host) => {
    if (await installInto(host, task, { shell, backups })) open.push(host.name);
  });
  if (!dry) return;
  const text = task.verbose || open.length === 0 ? "" : " With --verbose it prints the whole text.";
  await shell.out.lines("", `Nothing was changed.${text}`);
  if (!chosen && open.length > 0) {
    await shell.out.lines("Name the agents you want, or give --all:");
    await shell.out.exact(`  ${task.self} install ${open.join(" ")}`);
  }
}

interface Task extends InstallOptions {
  readonly dry: boolean;
  readonly verbose: boolean;
  readonly force: boolean;
  /** How a person calls this program here. */
  readonly self: string;
}

/**
 * Everything is planned before anything is written: what cannot be read stops it all. Resolves to
 * whether there was anything to do.
 */
async function installInto(
  host: Host,
  task: Task,
  { shell, backups }: { shell: Shell; backups: Backups },
): Promise<boolean> {
  const plugin = await findPlugin(host, task);
  if (plugin !== undefined) {
    await tellOfPlugin(host, plugin, task, shell);
    return false;
  }
  const edits: ConfigEdit[] = [];
  const within = task.scope === "project" ? task.project : undefined;
  for (const change of host.changes(task)) {
    edits.push(await planInstall(change, { backups, force: task.force, within }));
  }
  const pending = edits.filter(({ file, after }) => file.text !== after);
  const { out, notes } = shell;
  if (task.trust && !host.trustable) {
    await notes.lines(
      `${host.title} has no file for --trust: it asks you when it first uses a tool.`,
    );
  }
  if (pending.length === 0) {
    const files = edits.map(({ file }) => file.path).join(" and ");
    await out.lines(`${host.title}: peerline is installed already, in ${files}.`);
    return false;
  }
  if (task.dry) {
    await out.exact(...editLines(host, pending, { color: out.color, verbose: task.verbose }));
    return true;
  }
  for (const edit of pending) await write(host, edit, { shell, backups });
  await out.lines(`  ${host.nextStep(task)}`);
  if (task.scope === "project") {
    await out.lines("  The paths in it are this machine's: keep it out of version control.");
  }
  return true;
}

/** An entry beside the plugin would start a second server for every agent. */
async function tellOfPlugin(
  host: Host,
  plugin: FoundPlugin,
  { self, ...task }: Task,
  { out }: Shell,
): Promise<void> {
  const says = "starts peerline already: no entry was added, or every agent would be two peers";
  const after = `${self} install ${host.name}`;
  await out.lines(...pluginLines(host, plugin, { says, after }));
  const { entries } = await findEntries(host, task);
  const beside = entries.find(({ scope }) => scope !== "ignored");
  if (beside === undefined) return;
  const scope = beside.scope === "project" ? " --scope project" : "";
  await out.lines(
    `  There is an entry beside it, in ${beside.path}. To take the entry out: ${self} uninstall ${host.name}${scope}`,
  );
}

async function write(
  host: Host,
  edit: ConfigEdit,
  { shell, backups }: { shell: Shell; backups: Backups },
): Promise<void> {
  const backup = await install(edit, backups);
  await shell.out.lines(
    `${host.title}: wrote ${placeOf(edit)}${manner(edit)}.`,
    ...(backup === undefined ? [] : [`  As it was: ${backup}`]),
  );
}

function manner({ file, found }: ConfigEdit): string {
  if (file.text === undefined) return ", a new file";
  return found === "absent" ? "" : ", in place of what it held for peerline";
}
