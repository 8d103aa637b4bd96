import { Option } from "commander";
import { homePath, readConfig, readUserPlaces, type Config } from "../../endpoint/config.js";
import { allHosts } from "../../hosts/all-hosts.js";
import { Backups } from "../../hosts/config-files/backups.js";
import { planUninstall, uninstall, type ConfigEdit } from "../../hosts/config-files/config-edit.js";
import { findEntries, findPlugin } from "../../hosts/find-hosts.js";
import type { Host, InstallOptions } from "../../hosts/host.js";
import { forEachHost, hostArgument, projectFolder } from "../each-host.js";
import { CliError, ExitCode } from "../failure.js";
import { editLines, placeOf, pluginLines } from "../print/edit-lines.js";
import type { Output } from "../print/output.js";
import { agree, purgeLines, removeHome, surveyHome, whatStays } from "../purge.js";
import { catchInterruption, selfCommand, type Define, type Shell } from "../shell.js";

interface Options {
  readonly all: boolean;
  readonly scope: "user" | "project";
  readonly dryRun: boolean;
  readonly verbose: boolean;
  readonly force: boolean;
  readonly purge: boolean;
  readonly yes: boolean;
}

export const define: Define = (command, shell) => {
  command
    .description(
      "Takes what `peerline install` wrote out of the configuration of coding agents. " +
        "A file that nobody changed since gets its bytes back, but for an entry that started peerline before. Mail and the home stay, but for --purge.",
    )
    .addArgument(hostArgument("where from"))
    .option("--all", "every agent", false)
    .addOption(
      new Option(
        "--scope <scope>",
        "what was installed for all you work on, or for the project in this directory",
      )
        .choices(["user", "project"])
        .default("user"),
    )
    .option("--dry-run", "say for each file what would change, and change none", false)
    .option("--verbose", "with that, also the exact text", false)
    .option(
      "--force",
      "remove an entry for peerline also where somebody added to it, and follow links out of the project",
      false,
    )
    .option(
      "--purge",
      "every agent, and then the broker and the home: mail, secrets, copies of agents' files",
      false,
    )
    .option("--yes", "with that, do not ask", false)
    .addHelpText(
      "after",
      `
Without an agent it says what it would do for each.

Examples:
  peerline uninstall claude-code --dry-run
  peerline uninstall --all
  peerline uninstall --purge`,
    )
    .action((named: Host[], options: Options) => run(shell, named, options));
};

async function run(shell: Shell, named: readonly Host[], options: Options): Promise<void> {
  if (options.purge && (named.length > 0 || options.scope === "project")) {
    const message =
      "--purge takes peerline out of all agents of this user: name none, and no scope.";
    throw new CliError("USAGE", message);
  }
  const hosts = named.length > 0 ? named : allHosts;
  const places = readUserPlaces();
  const home = homePath();
  const task: Task = {
    scope: options.scope,
    // All that an installation may have written.
    trust: true,
    hooks: true,
    places,
    project: projectFolder(options, places),
    server: { command: process.execPath, args: [shell.program, "mcp"] },
    dry: options.dryRun || !(options.all || options.purge || named.length > 0),
    verbose: options.verbose,
    force: options.force,
    self: selfCommand(shell.program, places),
    purge: options.purge,
  };
  const backups = new Backups(home);
  const takeOut = () =>
    forEachHost(shell, hosts, (host) => uninstallFrom(host, task, { shell, backups }));
  if (options.purge) return purge(shell, { config: readConfig(), task, yes: options.yes, takeOut });
  await takeOut();
  if (task.dry) await shell.out.lines("", nothingChanged(task));
  else await shell.out.lines(...(await whatStays(home, task.self)));
}

/** The home goes last: what a file was before is in it. */
async function purge(
  shell: Shell,
  options: { config: Config; task: Task; yes: boolean; takeOut: () => Promise<void> },
): Promise<void> {
  using interruption = catchInterruption();
  const { config, task, yes, takeOut } = options;
  const { signal } = interruption;
  const home = await surveyHome({ config, program: shell.program, signal });
  await shell.out.lines(...purgeLines(home));
  if (task.dry) {
    await takeOut();
    await shell.out.lines("", nothingChanged(task));
    return;
  }
  if (!yes && home.contents !== undefined) await agree(shell.out);
  await takeOut();
  if (shell.exitCode !== ExitCode.ok) {
    await shell.notes.lines(`${home.home.path} stays: what was not taken out needs it.`);
    return;
  }
  await removeHome(home, shell);
}

function nothingChanged({ verbose }: Task): string {
  return `Nothing was changed.${verbose ? "" : " With --verbose it prints the whole text."}`;
}

interface Task extends InstallOptions {
  readonly dry: boolean;
  readonly verbose: boolean;
  readonly force: boolean;
  /** How a person calls this program here. */
  readonly self: string;
  /** The home goes too, with the copies in it. */
  readonly purge: boolean;
}

async function uninstallFrom(
  host: Host,
  task: Task,
  { shell, backups }: { shell: Shell; backups: Backups },
): Promise<void> {
  const edits: ConfigEdit[] = [];
  const within = task.scope === "project" ? task.project : undefined;
  const plan = { backups, force: task.force, within };
  for (const change of host.changes(task)) edits.push(await planUninstall(change, plan));
  // Those beside an entry that stays belong to it.
  if (task.scope === "user" && edits.every(({ found }) => found !== "foreign")) {
    for (const change of host.additions(task.places)) {
      edits.push(await planUninstall(change, plan));
    }
  }
  const { out } = shell;
  const pending = edits.filter(({ file, after }) => file.text !== after);
  if (pending.length === 0) await out.lines(nothingToDo(host, edits));
  if (task.dry) {
    await out.exact(...editLines(host, pending, { color: out.color, verbose: task.verbose }));
  } else {
    // A folder that was made for the first of them goes with the last.
    for (const edit of pending.toReversed()) await write(host, edit, { out, backups, task });
  }
  const plugin = await findPlugin(host, task);
  if (plugin !== undefined) {
    await out.lines(...pluginLines(host, plugin, { says: "still starts peerline" }));
  }
  await tellOfOthers(host, task, { out, edits });
}

/** Entries elsewhere, which this did not look at: those of the other scope, and of places of the user's own. */
async function tellOfOthers(
  host: Host,
  task: Task,
  { out, edits }: { out: Output; edits: readonly ConfigEdit[] },
): Promise<void> {
  const seen = new Set(edits.map(({ file }) => file.path));
  const { entries } = await findEntries(host, task);
  for (const { path, scope, kind } of entries) {
    if (seen.has(path) || kind === "foreign") continue;
    const command =
      scope === "local" || scope === "ignored"
        ? ""
        : `: ${task.self} uninstall ${host.name} --scope ${scope}`;
    await out.lines(`${host.title}: another entry for peerline stays in ${path}${command}`);
  }
}

function nothingToDo({ title }: Host, edits: readonly ConfigEdit[]): string {
  const foreign = edits.find(({ found }) => found === "foreign");
  return foreign === undefined
    ? `${title}: peerline is not installed.`
    : `${title}: the entry peerline in ${foreign.file.path} starts something else, and stays.`;
}

async function write(
  { title }: Host,
  edit: ConfigEdit,
  { out, backups, task }: { out: Output; backups: Backups; task: Task },
): Promise<void> {
  const backup = await uninstall(edit, backups);
  const done = edit.after === undefined ? "removed" : "took peerline out of";
  await out.lines(`${title}: ${done} ${placeOf(edit)}.`);
  if (task.purge) return;
  if (backup !== undefined) await out.lines(`  As it was: ${backup}`);
  if (edit.replaced !== undefined) {
    const way = "To have it again, copy it from there by hand.";
    await out.lines(
      `  The entry for peerline that \`install\` replaced is in ${edit.replaced}. ${way}`,
    );
  }
}
