import { existsSync, lstatSync, readdirSync } from "node:fs";
import { readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join, relative } from "node:path";
import { placesText, type Config } from "../endpoint/config.js";
import { lookIntoHome, type HomeContents } from "../endpoint/home.js";
import { stopBroker } from "./commands/stop.js";
import { lookAtBroker, type BrokerView } from "./doctor/broker-view.js";
import { lookAtHome, type HomeView } from "./doctor/check-home.js";
import { lockHolder } from "./doctor/check-lock.js";
import { CliError } from "./failure.js";
import { countWaiting } from "./operator.js";
import type { Output } from "./print/output.js";
import { count } from "./print/words.js";
import { ask, type Shell } from "./shell.js";

/** A home as it is before all of it is removed. */
export interface PurgedHome {
  readonly config: Config;
  readonly home: HomeView;
  /** Undefined where there is no home. */
  readonly contents: HomeContents | undefined;
  readonly broker: BrokerView;
}

/** Looks at what a purge would remove; NOT_OWN_HOME where that is no home of this user's, or none of Peerline's. */
export async function surveyHome(options: {
  config: Config;
  program: string;
  signal: AbortSignal;
}): Promise<PurgedHome> {
  const { config } = options;
  if (config.joined !== undefined && config.named === undefined) {
    const what = `${config.home} has joined the broker at ${config.endpoint}`;
    throw new CliError("NOT_OWN_HOME", `${what}: run \`peerline leave\` first.`);
  }
  if (!config.ownsBroker) {
    const what = `PEERLINE_BROKER=${placesText(config)} names another home's broker`;
    throw new CliError("NOT_OWN_HOME", `${what}: unset it to remove ${config.home}.`);
  }
  const home = lookAtHome(config.home);
  if (home.state === "missing") {
    return { config, home, contents: undefined, broker: { state: "absent" } };
  }
  const contents = home.state === "usable" ? lookIntoHome(home.path) : undefined;
  if (contents === undefined) {
    throw new CliError(
      "NOT_OWN_HOME",
      `${config.home} is no home of Peerline's, or not this user's alone: nothing was removed. Set PEERLINE_HOME to the home that is to go.`,
    );
  }
  return { config, home, contents, broker: await lookAtBroker({ ...options, home }) };
}

/** What goes with a home, for people. */
export function purgeLines({ home, contents, broker }: PurgedHome): string[] {
  if (contents === undefined) return [`There is no home at ${home.path}.`];
  const lines = [
    `${home.path}: all mail and who is who, secrets, the log${copiesOf(home)}.`,
    ...brokerLines(broker),
  ];
  const { own, others } = contents;
  lines.push(`  Goes: ${own.map((path) => relative(home.path, path)).join(", ")}`);
  return others.length === 0
    ? lines
    : [...lines, `  Not peerline's, and stays: ${others.join(", ")}`];
}

function brokerLines(broker: BrokerView): string[] {
  if (broker.state !== "running") {
    return ["  No broker can be asked how much of the mail is unread."];
  }
  const { info, peers } = broker;
  const unread = countWaiting(peers);
  const online = peers.filter((peer) => peer.online).length;
  return [
    `  The broker (pid ${info.pid}) will be stopped. ${count(unread, "message")} ${unread === 1 ? "waits" : "wait"} unread, of ${count(peers.length, "peer")}.`,
    ...(online > 0
      ? [`  ${count(online, "agent")} online: end them first, or they make a new home.`]
      : []),
  ];
}

function copiesOf({ path }: HomeView): string {
  return existsSync(join(path, "backups"))
    ? ", and copies of your agents' files, which may hold tokens"
    : "";
}

/** Resolves when somebody has agreed; NOT_CONFIRMED where nobody does, or nobody can be asked. */
export async function agree(out: Output): Promise<void> {
  if (!out.isTerminal || !process.stdin.isTTY) {
    throw new CliError("NOT_CONFIRMED", "Nothing was removed. To remove all of this, add --yes.");
  }
  const question = "Remove all of it? It cannot be brought back [yes/no] ";
  if ((await ask(question, process.stdout)) === "yes") return;
  throw new CliError("NOT_CONFIRMED", "Nothing was removed.");
}

/**
 * Stops the broker and removes the home. Links in it go as links; what is not Peerline's stays, and the
 * directory with it.
 */
export async function removeHome(
  { config, home, contents, broker }: PurgedHome,
  { program, out }: Shell,
): Promise<void> {
  if (contents === undefined) return;
  if (broker.state === "running") await stopBroker({ config, program });
  const holder = await lockHolder(home.path);
  if (holder !== undefined || ["silent", "unseen"].includes(broker.state)) {
    const who = holder === undefined ? "A broker" : `Process ${holder}`;
    throw new CliError(
      "STILL_RUNNING",
      `${who} still uses ${home.path}, which stays. \`peerline doctor\` says how to end it.`,
    );
  }
  for (const path of contents.own) await rm(path, { recursive: true, force: true });
  // What came meanwhile was not checked, and stays.
  const left = await readdir(home.path);
  if (left.length > 0) {
    await out.lines(`Removed what was peerline's in ${home.path}; left: ${left.join(", ")}`);
    return;
  }
  await rmdir(home.path);
  if (lstatSync(config.home, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    await unlink(config.home);
  }
  await out.lines(`Removed ${home.path}.`);
}

/** What `uninstall` leaves on the machine, for people; nothing where there is no home. */
export async function whatStays(homePath: string, self: string): Promise<string[]> {
  const { path, state } = lookAtHome(homePath);
  if (state !== "usable" || lookIntoHome(path) === undefined) return [];
  const holder = await lockHolder(path);
  const broker = holder === undefined ? "" : `the broker that runs (pid ${holder}), `;
  const copies = copiesIn(join(path, "backups"));
  const kept =
    copies === 0
      ? ""
      : `, with copies of ${count(copies, "file")} of your agents as they were, which may hold tokens`;
  return [
    "",
    `What stays: ${broker}all mail and who is who in ${path}${kept}.`,
    `\`${self} uninstall --purge\` removes all of it.`,
  ];
}

function copiesIn(folder: string): number {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith(".record")).length;
  } catch {
    return 0;
  }
}
