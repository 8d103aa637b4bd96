import { createHash } from "node:crypto";
import { cp, lstat, readdir, readFile, rm } from "node:fs/promises";
import { readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { groups, type Finding, type FindingId } from "../../src/cli/doctor/finding.js";
import { waitForProcessEnd } from "../../src/cli/broker-process.js";
import { DoctorMachine } from "./doctor-machine.js";
import { allTrials, type Trial } from "./doctor-trials.js";

/** Commands of an advice, as doctor's own text has them: after them nothing may be lost. */
const carriedOut = "carried out";

/**
 * What each finding advises: nothing, commands, or words, with why no shell can do what they say. A finding
 * that has some variants with commands and some without counts as carried out.
 */
const advised: Record<FindingId, "nothing" | typeof carriedOut | { readonly words: string }> = {
  program: "nothing",
  "program-path": carriedOut,
  "program-forbidden": carriedOut,
  "program-node": { words: "which Node, and from where, is the user's to choose" },
  "setting-invalid": { words: "only the user knows where the variable is set" },
  "not-looked": { words: "it asks to look" },
  "directory-removed": { words: "a shell's directory is changed by its user" },
  home: "nothing",
  "home-missing": "nothing",
  "home-own": { words: "only the user knows where the variable is set" },
  "home-open": carriedOut,
  "home-unusable": carriedOut,
  "home-path-long": { words: "only the user knows where the variable is set" },
  "home-link": "nothing",
  "home-elsewhere": "nothing",
  "home-files": carriedOut,
  disk: { words: "what may go is the user's to choose" },
  "home-foreign": { words: "where the home is, is the user's to choose" },
  "locks-refused": { words: "where the home is, is the user's to choose" },
  "links-refused": { words: "where the home is, is the user's to choose" },
  "lock-held": carriedOut,
  "start-claim": carriedOut,
  secrets: carriedOut,
  doorbells: { words: "the next agent does it" },
  "doorbells-unvisited": { words: "a person has to prompt, or to start a program, in a host" },
  broker: "nothing",
  "broker-joined": "nothing",
  "broker-place": { words: "another broker is started elsewhere" },
  "broker-own": carriedOut,
  "chain-name": { words: "which address works is the user's to find" },
  "chain-port": { words: "another machine is looked after elsewhere" },
  "chain-certificate": { words: "another machine is looked after elsewhere" },
  "chain-credential": carriedOut,
  "round-trip": { words: "what is between two machines is looked after elsewhere" },
  "joined-damaged": carriedOut,
  sharing: "nothing",
  "sharing-unread": carriedOut,
  "sharing-certificate": { words: "clocks are set by the system's administrator" },
  "sharing-address": { words: "which address works is the user's to find" },
  "sharing-reach": { words: "it asks for a look from elsewhere" },
  "broker-away": { words: "another machine is looked after elsewhere" },
  "broker-absent": { words: "another broker is started elsewhere" },
  "broker-elsewhere": "nothing",
  "broker-socket-left": { words: "the next agent does it" },
  "broker-socket-foreign": carriedOut,
  "broker-silent": carriedOut,
  "broker-unseen": carriedOut,
  "broker-version": carriedOut,
  "broker-start-failed": { words: "the log says what to do" },
  "broker-settings": "nothing",
  "broker-settings-invalid": { words: "only its writer knows what the line should say" },
  "broker-settings-unread": carriedOut,
  "share-certificate": "nothing",
  "share-certificate-ends": { words: "whoever gave the certificate renews it" },
  "share-certificate-unusable": { words: "whoever gave the certificate knows what it should be" },
  "share-authority-unusable": { words: "its owner knows whether there is a backup" },
  store: "nothing",
  "store-closed": { words: "what may go is the user's to choose" },
  "store-damaged": carriedOut,
  engine: "nothing",
  "engine-server": { words: "servers are looked after elsewhere" },
  "engine-full": { words: "how much is kept is the operator's to choose" },
  "engine-durability": { words: "servers are looked after elsewhere" },
  clock: { words: "clocks are set by the system's administrator" },
  peers: "nothing",
  "peers-stale": { words: "an agent is started by its user" },
  homes: "nothing",
  "homes-differ": { words: "only the user knows where the variables are set" },
  "adapter-version": { words: "an agent is restarted by its user" },
  "host-none": { words: "which agent to install is the user's to choose" },
  "host-configured": "nothing",
  "host-unconfigured": carriedOut,
  "config-broken": { words: "only its user knows what the file should say" },
  "entry-ignored": carriedOut,
  "entry-leftover": carriedOut,
  "entry-twice": carriedOut,
  "entry-strange": carriedOut,
  "entry-disabled": { words: "one setting in the user's own file" },
  "entry-fleeting": carriedOut,
  "entry-relative": carriedOut,
  "entry-program-missing": carriedOut,
  "entry-env-vars": carriedOut,
  "entry-home": { words: "which home is meant is the user's to choose" },
  "entry-answers": "nothing",
  "entry-not-started": "nothing",
  "entry-foreign": carriedOut,
  "entry-noise": carriedOut,
  "entry-ended": carriedOut,
  "entry-silent": carriedOut,
  "entry-node": carriedOut,
  "entry-version": carriedOut,
  hooks: "nothing",
  "hooks-absent": carriedOut,
  "hooks-program-missing": carriedOut,
  "hooks-strange": { words: "whether to trust a project is the user's to choose" },
  "hooks-disabled": { words: "one setting in the user's own file" },
  "hooks-partial": carriedOut,
  "hooks-untrusted": { words: "whether to trust hooks is the user's to choose, in the host" },
  "folder-untrusted": { words: "whether to trust a folder is the user's to choose, in the host" },
  plugin: "nothing",
  "plugin-program-missing": carriedOut,
};

/** How many times a check's source gives commands: with one more, a trial has to carry it out. */
const sites: Readonly<Record<string, number>> = {
  "check-broker.ts": 4,
  "check-chain.ts": 1,
  "check-database.ts": 1,
  "check-entries.ts": 2,
  "check-home-files.ts": 5,
  "check-home.ts": 1,
  "check-hooks.ts": 4,
  "check-hosts.ts": 6,
  "check-lock.ts": 3,
  "check-program.ts": 2,
  "check-sharing.ts": 1,
  "check-start.ts": 3,
};

const mail = ["mail-1", "mail-2", "mail-3", "mail-4", "mail-5"];

/** A home whose broker was killed: all of its mail is in the WAL. */
let template: DoctorMachine;

beforeAll(async () => {
  template = await DoctorMachine.make();
  const pid = await template.startBroker();
  for (const text of mail) await template.sendToSelf(text);
  process.kill(pid, "SIGKILL");
  expect(await waitForProcessEnd(pid, { ms: 10_000, lookMs: 10 })).toBe(true);
  // A socket cannot be copied.
  await rm(template.path(".peerline/broker.sock"));
});
afterAll(() => template[Symbol.asyncDispose]());

describe("the advice of every finding", () => {
  test("is nothing, words, or commands of which each is carried out by a trial", () => {
    const tried = new Set(allTrials.flatMap(({ tries }) => tries));
    const withCommands = Object.keys(groups).filter(
      (id) => advised[id as FindingId] === carriedOut,
    );
    expect([...tried].toSorted()).toEqual(withCommands.toSorted());
    expect(Object.keys(advised).toSorted()).toEqual(Object.keys(groups).toSorted());
  });

  test("has as many trials as the checks give commands", () => {
    const folder = join(import.meta.dirname, "../../src/cli/doctor");
    const counts = readdirSync(folder).flatMap((name) => {
      const text = readFileSync(join(folder, name), "utf8");
      const count = text.match(/\badvise\(/g)?.length ?? 0;
      return name === "advice.ts" || count === 0 ? [] : [[name, count] as const];
    });
    expect(Object.fromEntries(counts)).toEqual(sites);
  });
});

// They mostly wait, each on a machine of its own.
describe.concurrent("carried out, the advice for", () => {
  for (const trial of allTrials) {
    const obstacle = trial.obstacle?.();
    const name = obstacle === undefined ? trial.name : `${trial.name} (skipped: ${obstacle})`;
    test.skipIf(obstacle !== undefined)(
      `${name} ends the finding, and nothing is lost`,
      { timeout: 180_000 },
      async ({ expect }) => expect(await carryOut(trial)).toEqual([]),
    );
  }
});

/** Resolves to the mail that nobody can read any more. */
async function carryOut(trial: Trial): Promise<string[]> {
  await using machine = await DoctorMachine.make();
  await cp(template.path(".peerline"), machine.path(".peerline"), { recursive: true });
  await trial.setUp(machine);
  const path = [machine.path("bin"), ...(trial.path?.(machine) ?? [])];
  const asked = trial.program?.(machine);
  const look = () => machine.findings({ PATH: path.join(delimiter) }, asked);
  const found = await look();
  for (const finding of found) expectForm(finding);
  const given = found.filter(({ commands }) => commands !== undefined);
  const tried = given.filter(({ id }) => trial.tries.includes(id));
  expect(tried.map(({ id }) => id).toSorted()).toEqual(trial.tries.toSorted());
  const isAsked = ({ id, subject }: Finding) =>
    tried.some((one) => one.id === id && one.subject === subject);

  const secrets = await contentsOf(machine, /\.peerline\/.*(?:secret|token)$/);
  const files = trial.isMailInFiles ? await contentsOf(machine, /peerline\.db/) : [];
  const mine = await linesOf(machine);
  const env = {
    PATH: [...path, dirname(process.execPath), "/usr/bin", "/bin", "/usr/sbin"].join(delimiter),
    npm_config_prefix: machine.path("npm"),
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    npm_config_fund: "false",
  };
  // What is advised twice is done once.
  for (const line of new Set(tried.flatMap(({ commands = [] }) => commands))) {
    const { code, stdout, stderr } = await machine.run("/bin/sh", ["-c", line], env);
    expect({ line, code, said: code === 0 ? "" : stdout + stderr }).toEqual({
      line,
      code: 0,
      said: "",
    });
  }
  await trial.person?.(machine);

  const left = (await look()).filter((one) => isAsked(one) && one.commands !== undefined);
  expect(left).toEqual([]);
  const kept = await contentsOf(machine, /./);
  expect([...secrets, ...files].filter((content) => !kept.includes(content))).toEqual([]);
  expect(mine.filter((line) => !kept.some((content) => content.includes(line)))).toEqual([]);
  if (trial.isMailInFiles) return [];
  const read = await machine.readMail();
  return mail.filter((text) => !read.includes(text));
}

/** What a finding says, and whether it has commands, has to agree with the table. */
function expectForm({ id, fix, commands }: Finding): void {
  const form = advised[id];
  if (form === "nothing") expect({ id, fix, commands }).toEqual({ id });
  if (form !== carriedOut) expect({ id, commands }).toEqual({ id });
  for (const command of commands ?? []) expect(fix).toContain(command);
  // A command that only stands in words would be tried by nobody.
  if (commands === undefined) {
    expect(fix ?? "").not.toMatch(/^(?:rm|mv|cp|kill|fuser|chmod|chown|sudo|npm|mkdir) /);
  }
}

async function contentsOf(machine: DoctorMachine, names: RegExp): Promise<string[]> {
  const contents: string[] = [];
  for (const entry of await readdir(machine.home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!names.test(path) || path.includes("/node_modules/")) continue;
    if (!(await lstat(path)).isFile()) continue;
    const bytes = await readFile(path);
    contents.push(
      isText(path) ? bytes.toString() : createHash("sha256").update(bytes).digest("hex"),
    );
  }
  return contents;
}

/** The lines that are the user's own. */
async function linesOf(machine: DoctorMachine): Promise<string[]> {
  const texts = await contentsOf(machine, /\.(?:json|toml)$/);
  return texts.flatMap((text) => text.split("\n").filter((line) => line.includes("MINE")));
}

function isText(path: string): boolean {
  return !/\.(?:db|js)\b|peerline\.db/.test(path);
}
