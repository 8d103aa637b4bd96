import { Argument, Option } from "commander";
import { readConfig, readUserPlaces } from "../endpoint/config.js";
import { allInstallers } from "../hosts/all-installers.js";
import { Backups } from "../hosts/backups.js";
import { planUninstall, uninstall, type ConfigEdit } from "../hosts/config-edit.js";
import type { Installer, InstallOptions } from "../hosts/installer.js";
import { forEachHost } from "./each-host.js";
import { editLines } from "./edit-lines.js";
import { projectFolder } from "./project-folder.js";
import type { Define, Shell } from "./shell.js";

interface Options {
  readonly all: boolean;
  readonly scope: "user" | "project";
  readonly dryRun: boolean;
  readonly force: boolean;
}

export const defineUninstall: Define = (command, shell) => {
  command
    .description(
      "Takes what `peerline install` wrote out of the configuration of coding agents. " +
        "A file that nobody changed since gets its bytes back. Mail and the home stay.",
    )
    .addArgument(
      new Argument("[agent...]", "where from").choices(allInstallers.map(({ name }) => name)),
    )
    .option("--all", "every agent", false)
    .addOption(
      new Option(
        "--scope <scope>",
        "what was installed for all you work on, or for the project in this directory",
      )
        .choices(["user", "project"])
        .default("user"),
    )
    .option("--dry-run", "print the exact change and make none", false)
    .option("--force", "remove an entry for peerline also where somebody added to it", false)
    .addHelpText(
      "after",
      `
Without an agent it says what it would do for each.

Examples:
  peerline uninstall claude --dry-run
  peerline uninstall --all`,
    )
    .action((names: string[], options: Options) => run(shell, names, options));
};

async function run(shell: Shell, names: readonly string[], options: Options): Promise<void> {
  const hosts =
    names.length > 0 ? allInstallers.filter(({ name }) => names.includes(name)) : allInstallers;
  const places = readUserPlaces();
  const task = {
    scope: options.scope,
    // All that an installation may have written.
    trust: true,
    hooks: true,
    places,
    project: projectFolder(options, places),
    server: { command: process.execPath, args: [shell.program, "mcp"] },
    dry: options.dryRun || !(options.all || names.length > 0),
    force: options.force,
  };
  const backups = new Backups(readConfig().home);
  await forEachHost(shell, hosts, (host) => uninstallFrom(host, task, { shell, backups }));
}

interface Task extends InstallOptions {
  readonly dry: boolean;
  readonly force: boolean;
}

async function uninstallFrom(
  host: Installer,
  task: Task,
  { shell, backups }: { shell: Shell; backups: Backups },
): Promise<void> {
  const edits: ConfigEdit[] = [];
  for (const change of host.changes(task)) {
    edits.push(await planUninstall(change, { backups, force: task.force }));
  }
  const pending = edits.filter(({ file, after }) => file.text !== after);
  if (pending.length === 0) {
    const foreign = edits.find(({ found }) => found === "foreign");
    await shell.out.lines(
      foreign === undefined
        ? `${host.title}: peerline is not installed.`
        : `${host.title}: the entry peerline in ${foreign.file.path} starts something else, and stays.`,
    );
  }
  for (const edit of pending) {
    if (task.dry) {
      await shell.out.exact(...editLines(host, edit, shell.out));
    } else {
      const backup = await uninstall(edit, backups);
      const done = edit.after === undefined ? "removed" : "took peerline out of";
      await shell.out.lines(
        `${host.title}: ${done} ${edit.file.path}.`,
        ...(backup === undefined ? [] : [`  As it was: ${backup}`]),
      );
    }
  }
}
