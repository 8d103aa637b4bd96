import { Command, CommanderError } from "commander";
import { VERSION } from "../endpoint/version.js";
import { ExitCode, reportFailure } from "./failure.js";
import { openShell, type Define, type Shell } from "./shell.js";

/** Runs one command line and resolves to the code to exit with. */
export async function runProgram(argv: readonly string[], program: string): Promise<number> {
  const shell = openShell(program);
  try {
    const root = await defineProgram(argv, shell);
    await root.parseAsync(argv, { from: "user" });
    return shell.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return ExitCode.ok;
      // Commander has said what is wrong.
      const more = shell.explainUsage?.(error.code);
      if (more !== undefined) await shell.notes.lines(more).catch(() => {});
      return ExitCode.usage;
    }
    return reportFailure(error, shell.notes, commandWords(argv));
  }
}

type Load = () => Promise<Define | { readonly define: Define }>;

const logs = () => import("./commands/log.js");
const moderation = () => import("./commands/moderation.js");

/** Every command, by its name and arguments, with what it does. Only the one that is asked for is loaded. */
const commands: readonly (readonly [synopsis: string, summary: string, load: Load])[] = [
  ["status", "say whether a broker runs, and how it is", () => import("./commands/status.js")],
  ["peers", "list the peers and what waits for them", () => import("./commands/peers.js")],
  ["send TO TEXT|-", "send a message as you", () => import("./commands/send.js")],
  ["read [--wait]", "print the messages that wait for you", () => import("./commands/read.js")],
  [
    "log [-f]",
    "print the messages of all peers and where they stand",
    async () => (await logs()).defineLog,
  ],
  ["show ID", "print one message and where it stands", async () => (await logs()).defineShow],
  [
    "dead-letters",
    "list, put back or drop messages that were given up",
    () => import("./commands/dead-letters.js"),
  ],
  ["mute PEER", "forbid a peer to send", async () => (await moderation()).defineMute],
  ["unmute PEER", "let it send again", async () => (await moderation()).defineUnmute],
  [
    "purge --from PEER",
    "remove what a peer sent and nobody has read",
    async () => (await moderation()).definePurge,
  ],
  ["forget NAME", "remove a peer and what waits for it", () => import("./commands/forget.js")],
  ["stop", "stop the broker in good order", () => import("./commands/stop.js")],
  ["share", "let other machines use this broker", () => import("./commands/share.js")],
  ["join LINE", "use the broker of another machine", () => import("./commands/join.js")],
  ["leave", "use this home's own broker again", () => import("./commands/leave.js")],
  [
    "machines",
    "list the machines that were let in, or revoke one",
    () => import("./commands/machines.js"),
  ],
  [
    "install [agent...]",
    "make your coding agents start peerline",
    () => import("./commands/install.js"),
  ],
  [
    "uninstall [agent...]",
    "take peerline out of their configuration",
    () => import("./commands/uninstall.js"),
  ],
  [
    "doctor",
    "say what keeps agents apart, and how to fix it",
    () => import("./commands/doctor.js"),
  ],
  [
    "demo",
    "watch three agents work together, and the broker die under them",
    () => import("./commands/demo.js"),
  ],
  [
    "migrate --to STORE",
    "move what the broker keeps into another store",
    () => import("./commands/migrate.js"),
  ],
  ["config", "print what may be set of the broker", () => import("./commands/config.js")],
  ["mcp", "run one agent's MCP server (started by its host)", () => import("./commands/mcp.js")],
  [
    "broker",
    "run the broker in the foreground (agents start it by themselves)",
    () => import("./commands/broker.js"),
  ],
];

async function defineProgram(argv: readonly string[], shell: Shell): Promise<Command> {
  const synopses = new Map(commands.map(([synopsis]) => [nameIn(synopsis), synopsis]));
  const root = new Command("peerline")
    .description(
      "A line between coding agents: they find each other and exchange durable messages.",
    )
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "peerline: ")),
    })
    .showHelpAfterError("See `peerline help` and the command's --help.")
    .configureHelp({ subcommandTerm: (command) => synopses.get(command.name()) ?? command.name() })
    .addHelpText("after", rootHelp);
  for (const [synopsis, summary, load] of commands) {
    const name = nameIn(synopsis);
    const command = root.command(name).summary(summary);
    // The command, or the one that `peerline help` is asked about.
    if (!argv.slice(0, 2).includes(name)) continue;
    const loaded = await load();
    (typeof loaded === "function" ? loaded : loaded.define)(command, shell);
  }
  return root;
}

/** The command that was asked for, without what it was given, which may be anything. */
function commandWords([name]: readonly string[]): string | undefined {
  const isCommand = commands.some(([synopsis]) => nameIn(synopsis) === name);
  return isCommand ? `\`peerline ${name}\`` : undefined;
}

function nameIn(synopsis: string): string {
  return synopsis.replace(/ .*/, "");
}

const rootHelp = `
Environment:
  PEERLINE_HOME    the directory that holds everything; ~/.peerline by default
  PEERLINE_BROKER  a broker elsewhere: unix:/path/of/socket or tls:HOST:PORT
  PEERLINE_NAME    the name an agent asks for

Examples:
  peerline demo
  peerline send api "UserResponse: removed legacyId, added uuid"
  peerline log -f`;
