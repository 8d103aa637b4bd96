import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { FindingId } from "../../src/cli/doctor/finding.js";
import { maxSecrets } from "../../src/endpoint/limits.js";
import { SharedHome } from "../e2e/shared-home.js";
import { hostsPath, isMissing } from "../hosts/installed-hosts.js";
import { freePort } from "../rpc/free-port.js";
import { program } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";
import { claude, own, type DoctorMachine } from "./doctor-machine.js";

/**
 * A set-up in which doctor has something to advise. The home has mail, and lines that say MINE in other
 * files are the user's.
 */
export interface Trial {
  readonly name: string;
  /** The findings whose commands are carried out, in the order in which doctor has them. */
  readonly tries: readonly FindingId[];
  /** Why it cannot be tried here; undefined where it can. */
  readonly obstacle?: () => string | undefined;
  /** Makes the set-up. */
  setUp(machine: DoctorMachine): Promise<void>;
  /** The installation whose doctor is asked; this one by default. */
  readonly program?: (machine: DoctorMachine) => string;
  /** Folders of the search path before those of the system, for the doctor as well. */
  readonly path?: (machine: DoctorMachine) => readonly string[];
  /** Does what the advice leaves to a person. */
  readonly person?: (machine: DoctorMachine) => Promise<void>;
  /** The mail cannot be read by a broker, so that its files have to be there, with the same bytes. */
  readonly isMailInFiles?: true;
}

const isRoot = process.getuid?.() === 0;
const home = ".peerline";
const plugin = { enabledPlugins: { "peerline@peerline": true } };

const inHome: readonly Trial[] = [
  {
    name: "a home with what others made and what killed processes left",
    tries: [
      "home-files",
      ...(isRoot ? (["home-files"] as const) : []),
      "home-files",
      "start-claim",
      "secrets",
      "secrets",
      "broker-socket-foreign",
    ],
    async setUp(machine) {
      const past = new Date(Date.now() - 60_000);
      await machine.write(`${home}/broker.starting`, "");
      await machine.write(`${home}/peers/one.secret`, "cut sho");
      await machine.write(`${home}/operator.token`, "");
      for (const name of ["broker.starting", "peers/one.secret", "operator.token"]) {
        await utimes(machine.path(home, name), past, past);
      }
      await rm(machine.path(home, "broker.sock"), { force: true });
      await machine.write(`${home}/broker.sock`, "no socket");
      await chmod(machine.path(home, "peerline.db"), 0o644);
      await rm(machine.path(home, "broker.log"), { force: true });
      const env = { PATH: process.env["PATH"] };
      await machine.run("mkfifo", ["-m", "600", machine.path(home, "broker.log")], env);
      await machine.program("sudo", `#!/bin/sh\nexec "$@"\n`);
      if (isRoot) await chown(machine.path(home, "peerline.db-wal"), 12_345, 12_345);
    },
  },
  {
    name: "a home that others may enter",
    tries: ["home-open"],
    setUp: (machine) => chmod(machine.path(home), 0o755),
  },
  {
    name: "a home that is closed to its owner",
    tries: ["home-unusable"],
    obstacle: () => (isRoot ? "nothing is closed to root" : undefined),
    setUp: (machine) => chmod(machine.path(home), 0o500),
  },
  {
    name: "more secrets than are used",
    tries: ["secrets"],
    async setUp(machine) {
      await mkdir(machine.path(home, "peers"), { recursive: true, mode: 0o700 });
      for (let number = 0; number < maxSecrets + 3; number += 1) {
        const path = machine.path(home, "peers", `${number} of a kind.secret`);
        await writeFile(path, `${newSecret()}\n`, { mode: 0o600 });
      }
    },
  },
  {
    name: "a database of which a broker could read nothing",
    tries: ["store-damaged"],
    isMailInFiles: true,
    async setUp(machine) {
      const database = machine.path(home, "peerline.db");
      await writeFile(database, "no page ".repeat(1024));
      await writeFile(`${database}-wal`, "no frame ".repeat(1024));
      await machine.peerline("broker");
    },
  },
  {
    name: "a database whose header is gone",
    tries: [],
    async setUp(machine) {
      await machine.sendToSelf("mail-6");
      await machine.peerline("stop");
      const database = machine.path(home, "peerline.db");
      const bytes = await readFile(database);
      await writeFile(database, bytes.fill(0xff, 0, 4096));
    },
  },
  {
    name: "a database that was moved away from its log",
    tries: [],
    setUp: (machine) => rename(machine.path(home, "peerline.db"), machine.path("moved.db")),
  },
  {
    name: "a database that is empty, and its log is not",
    tries: [],
    setUp: (machine) => truncate(machine.path(home, "peerline.db")),
  },
];

const ofBroker: readonly Trial[] = [
  {
    name: "a broker that does not answer",
    tries: ["broker-silent"],
    async setUp(machine) {
      await machine.sendToSelf("mail-6");
      process.kill(await brokerOf(machine), "SIGSTOP");
    },
  },
  {
    name: "a broker that holds the home and serves nobody",
    tries: ["lock-held"],
    obstacle: () => (process.platform === "linux" ? undefined : "locks are told by /proc"),
    async setUp(machine) {
      await machine.sendToSelf("mail-6");
      process.kill(await brokerOf(machine), "SIGSTOP");
      await rm(machine.path(home, "broker.sock"));
    },
  },
  {
    name: "another program behind the broker's socket",
    tries: ["broker-silent"],
    obstacle: () => (process.platform === "linux" ? undefined : "locks are told by /proc"),
    async setUp(machine) {
      const socket = machine.path(home, "broker.sock");
      await rm(socket, { force: true });
      // It takes connections, says nothing, and ends by itself.
      const listen = `require("node:net").createServer(() => {}).listen(process.argv[1]); setTimeout(() => process.exit(), 60_000)`;
      spawn(process.execPath, ["-e", listen, socket], { detached: true, stdio: "ignore" }).unref();
      await expect.poll(() => existsSync(socket)).toBe(true);
    },
  },
  {
    name: "a broker with another token than the home has",
    tries: ["broker-unseen"],
    async setUp(machine) {
      await machine.sendToSelf("mail-6");
      await writeFile(machine.path(home, "operator.token"), `${newSecret()}\n`);
    },
  },
  {
    name: "a broker that runs with earlier settings",
    tries: ["broker-settings-unread"],
    async setUp(machine) {
      await machine.sendToSelf("mail-6");
      await machine.write(`${home}/broker.toml`, "[limits]\npeers = 500 # MINE\n");
    },
  },
  {
    name: "a broker of another version",
    tries: ["broker-version"],
    async setUp(machine) {
      await copyProgram(machine, { version: "0.0.1" });
      await machine.sendToSelf("mail-6", copyOf(machine));
    },
  },
];

const ofMachines: readonly Trial[] = [
  {
    name: "a machine that was revoked",
    tries: ["chain-credential"],
    async setUp(machine) {
      const laptop = machine.owns(await SharedHome.open());
      await machine.peerline("join", await laptop.share(), "--name", "desktop");
      await laptop.command("machines", "revoke", "desktop");
    },
  },
  {
    name: "a home that has joined a broker while its own still runs",
    tries: ["broker-own"],
    async setUp(machine) {
      const laptop = machine.owns(await SharedHome.open());
      await machine.peerline("join", await laptop.share());
      const joined = await machine.read(`${home}/joined.json`);
      await rm(machine.path(home, "joined.json"));
      await machine.sendToSelf("mail-6");
      await machine.write(`${home}/joined.json`, joined);
      await chmod(machine.path(home, "joined.json"), 0o600);
    },
    async person(machine) {
      expect(await machine.peerline("leave")).toMatchObject({ code: 0 });
    },
  },
  {
    name: "a file of what was joined that is cut off",
    tries: ["joined-damaged"],
    setUp: (machine) => machine.write(`${home}/joined.json`, '{ "address": '),
  },
  {
    name: "a broker that is shared otherwise than its settings say",
    tries: ["sharing-unread"],
    async setUp(machine) {
      await machine.sendToSelf("mail-6");
      const port = await freePort();
      const table = `[share]\nlisten = "127.0.0.1:${port}"\naddress = "127.0.0.1:${port}" # MINE\n`;
      await machine.write(`${home}/broker.toml`, table);
    },
  },
];

const ofProgram: readonly Trial[] = [
  {
    name: "a program without its run bit",
    tries: ["program-forbidden", "plugin-program-missing"],
    async setUp(machine) {
      await copyProgram(machine);
      await chmod(copyOf(machine), 0o644);
      await mkdir(machine.path("bin"));
      await symlink(copyOf(machine), machine.path("bin/peerline"));
      await machine.write(".claude/settings.json", JSON.stringify({ MINE: 1, ...plugin }));
    },
  },
  {
    name: "a program that is not on the search path",
    tries: ["program-path", "plugin-program-missing"],
    program: copyOf,
    path: (machine) => [machine.path("npm/bin")],
    async setUp(machine) {
      await copyProgram(machine);
      await machine.write(".claude/settings.json", JSON.stringify({ MINE: 1, ...plugin }));
    },
  },
  {
    name: "a program in the cache of a package runner, which then deletes it",
    tries: ["host-unconfigured"],
    program: cachedCopyOf,
    path: (machine) => [machine.path("npm/bin")],
    async setUp(machine) {
      await copyProgram(machine, { to: cachedCopyOf(machine) });
      // What is installed finds its dependencies here, and none is fetched.
      await symlink(join(dirname(dirname(program)), "node_modules"), machine.path("node_modules"));
      await machine.write(".cursor/mcp.json", withMine({}));
    },
    async person(machine) {
      const cached = dirname(dirname(cachedCopyOf(machine)));
      await rename(cached, machine.path("deleted"));
      const copy = machine.path("npm/bin/peerline");
      expect(await machine.run(process.execPath, [copy, "--version"])).toMatchObject({ code: 0 });
      await rename(machine.path("deleted"), cached);
    },
  },
  {
    name: "a program that lost the script of its hooks",
    tries: ["hooks-program-missing"],
    program: copyOf,
    async setUp(machine) {
      await copyProgram(machine);
      await mkdir(join(dirname(dirname(copyOf(machine))), "src"));
      await machine.run(process.execPath, [copyOf(machine), "install", "claude"]);
      await rm(join(dirname(copyOf(machine)), "doorbell.sh"));
    },
  },
];

const ofHosts: readonly Trial[] = [
  {
    name: "entries that do not start what they should",
    tries: [
      "entry-ignored",
      "entry-env-vars",
      "entry-program-missing",
      "entry-relative",
      "entry-fleeting",
      "hooks-absent",
      "hooks-absent",
    ],
    async setUp(machine) {
      const fleeting = ".npm/_npx/0a1b2c/node_modules/peerline/dist/peerline.js";
      await machine.write(fleeting, "");
      const entries = {
        missing: { command: "/nowhere/node", args: ["/nowhere/peerline.js", "mcp"] },
        relative: { command: process.execPath, args: ["dist/peerline.js", "mcp"] },
        fleeting: { command: process.execPath, args: [machine.path(fleeting), "mcp"] },
      };
      const { command, args } = own;
      await machine.write(".claude/settings.json", withMine({ mcpServers: { peerline: own } }));
      await machine.write(
        ".codex/config.toml",
        `x = 1 # MINE\n[mcp_servers.peerline]\ncommand = "${command}"\nargs = ${JSON.stringify(args)}\nenv_vars = ["FOO"]\n`,
      );
      await machine.write(".gemini/settings.json", withMine(serverOf(entries.missing)));
      await machine.write(".cursor/mcp.json", withMine(serverOf(entries.relative)));
      await machine.write(
        ".config/Code/User/mcp.json",
        withMine({ servers: { peerline: { type: "stdio", ...entries.fleeting } } }),
      );
    },
    async person(machine) {
      const settings = JSON.parse(await machine.read(".claude/settings.json")) as object;
      const { mcpServers: _, ...others } = settings as { mcpServers: object };
      await machine.write(".claude/settings.json", JSON.stringify(others, null, 1));
    },
  },
  {
    name: "a tool that Codex's user always allows, without the entry",
    tries: ["entry-leftover", "entry-leftover"],
    async setUp(machine) {
      const allowed = `[mcp_servers.peerline.tools.send_message]\napproval_mode = "approve"\n`;
      await machine.write(".codex/config.toml", `x = 1 # MINE\n\n${allowed}`);
      await machine.write("shop/.codex/config.toml", `x = 1 # MINE\n\n${allowed}`);
    },
  },
  {
    name: "entries whose command does not answer as it should",
    tries: ["entry-noise", "entry-ended", "entry-foreign", "entry-version", "entry-node"],
    async setUp(machine) {
      const noisy = `#!/bin/sh\necho Welcome\nexec ${process.execPath} ${program} mcp\n`;
      const wrapper = async (name: string, text: string) => ({
        command: await machine.program(name, text),
        args: [],
      });
      await machine.write(".claude.json", withMine(serverOf(await wrapper("noisy", noisy))));
      const { command } = await wrapper("ended", "#!/bin/sh\nexit 3\n");
      await machine.write(
        ".codex/config.toml",
        `x = 1 # MINE\n[mcp_servers.peerline]\ncommand = "${command}"\nenv_vars = ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER"]\n`,
      );
      const other = await wrapper("other", answer("other", "1"));
      await machine.write(".gemini/settings.json", withMine(serverOf(other)));
      const older = await wrapper("older", answer("peerline", "0.0.1"));
      await machine.write(".cursor/mcp.json", withMine(serverOf(older)));
      const old = `#!/bin/sh\n[ "$1" = --version ] && echo v18.20.1 && exit 0\nexit 1\n`;
      await machine.program("18/node", old);
      const server = { type: "stdio", command: machine.path("bin/18/node"), args: own.args };
      const code = withMine({ servers: { peerline: server } });
      await machine.write(".config/Code/User/mcp.json", code);
    },
  },
  {
    name: "entries beside plugins, of a project, and one that is silent",
    tries: ["entry-twice", "entry-twice", "entry-twice", "entry-strange", "entry-silent"],
    async setUp(machine) {
      await mkdir(machine.path("bin"));
      await symlink(program, machine.path("bin/peerline"));
      await machine.peerline("install", "codex");
      await machine.write(".claude.json", withMine(serverOf({ ...own, timeout: 9 })));
      await machine.write(".claude/settings.json", withMine(plugin));
      const codex = await machine.read(".codex/config.toml");
      const used = `${codex}\n[plugins."peerline@peerline"]\nenabled = true # MINE\n`;
      await machine.write(".codex/config.toml", used);
      await machine.write(".gemini/extensions/peerline/gemini-extension.json", "{}");
      await machine.write("shop/.gemini/settings.json", withMine(serverOf(own)));
      const strange = { command: "/bin/sh", args: ["-c", "echo MINE; peerline mcp"] };
      await machine.write("shop/.cursor/mcp.json", withMine(serverOf(strange)));
      const sleeper = await machine.program("sleeper", "#!/bin/sh\nexec /bin/sleep 100\n");
      const silent = { type: "stdio", command: sleeper, args: [] };
      const code = withMine({ servers: { peerline: silent } });
      await machine.write(".config/Code/User/mcp.json", code);
    },
  },
  {
    name: "an entry that Claude Code keeps for the user in this project",
    tries: ["entry-program-missing", "hooks-absent"],
    obstacle: () => (isMissing("claude") ? "PEERLINE_HOSTS names no claude" : undefined),
    path: () => [hostsPath],
    async setUp(machine) {
      const servers = serverOf({ command: "/nowhere/node", args: ["/nowhere/peerline.js", "mcp"] });
      const projects = { [machine.path("shop")]: servers };
      await machine.write(".claude.json", withMine({ projects }));
    },
  },
  {
    name: "hooks that are not all there, and hosts that were told nothing",
    tries: ["host-unconfigured", "hooks-partial", "hooks-program-missing", "hooks-absent"],
    async setUp(machine) {
      await machine.peerline("install", "claude", "codex");
      await machine.peerline("install", "gemini", "--no-hooks");
      const settings = JSON.parse(await machine.read(".claude/settings.json")) as {
        hooks: Record<string, object[]>;
      };
      const { PostToolUse: _, ...hooks } = settings.hooks;
      Object.assign(hooks["Stop"]?.[0] ?? {}, { matcher: "Edit" });
      await machine.write(".claude/settings.json", withMine({ hooks }));
      const codex = (await machine.read(".codex/hooks.json")).replaceAll(dirname(program), "/gone");
      await machine.write(".codex/hooks.json", codex);
      const gemini = await machine.read(".gemini/settings.json");
      const edited = gemini.replace(`"command"`, `"timeout": 9,\n      "command"`);
      await machine.write(".gemini/settings.json", edited);
      await machine.write(".cursor/mcp.json", withMine({}));
    },
  },
];

export const allTrials: readonly Trial[] = [
  ...inHome,
  ...ofBroker,
  ...ofMachines,
  ...ofProgram,
  ...ofHosts,
];

function serverOf(server: object): object {
  return JSON.parse(claude(server)) as object;
}

/** A file of settings with a line that is the user's. */
function withMine(settings: object): string {
  return `${JSON.stringify({ other: "MINE", ...settings }, null, 2)}\n`;
}

async function brokerOf(machine: DoctorMachine): Promise<number> {
  const { stdout } = await machine.peerline("status", "--json");
  return (JSON.parse(stdout) as { info: { pid: number } }).info.pid;
}

/** The program of another installation. */
function copyOf(machine: DoctorMachine): string {
  return machine.path("other/dist/peerline.js");
}

/** The same as `npx` has it. */
function cachedCopyOf(machine: DoctorMachine): string {
  return machine.path(".npm/_npx/0a1b2c/node_modules/peerline/dist/peerline.js");
}

/** A server that answers `initialize`, and says that it is this one. */
function answer(name: string, version: string): string {
  const result = { serverInfo: { name, version } };
  return `#!/bin/sh\necho '${JSON.stringify({ jsonrpc: "2.0", id: 1, result })}'\n`;
}

/** Makes another installation, with a build that brings back the script of the hooks. */
async function copyProgram(
  machine: DoctorMachine,
  { version, to: copy = copyOf(machine) }: { version?: string; to?: string } = {},
): Promise<void> {
  const from = dirname(program);
  const to = dirname(copy);
  await cp(from, to, { recursive: true });
  await symlink(join(dirname(from), "node_modules"), join(dirname(to), "node_modules"));
  const manifest = JSON.parse(await readFile(join(dirname(from), "package.json"), "utf8")) as {
    version: string;
  };
  const { name, type, bin } = manifest as unknown as Record<string, unknown>;
  const scripts = { build: `cp '${from}/doorbell.sh' dist/` };
  const own = { name, type, bin, version: version ?? manifest.version, scripts };
  await writeFile(join(dirname(to), "package.json"), JSON.stringify(own));
  if (version === undefined) return;
  for (const file of await readdir(to, { recursive: true })) {
    if (!file.endsWith(".js")) continue;
    const text = await readFile(join(to, file), "utf8");
    // A minifier may quote it otherwise than it was written.
    const stated = new RegExp(`(["'\`])${manifest.version.replaceAll(".", "\\.")}\\1`, "g");
    if (text.search(stated) !== -1) {
      await writeFile(join(to, file), text.replaceAll(stated, JSON.stringify(version)));
    }
  }
}
