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
    return reportFailure(error, shell.notes);
  }
}

/** Every command. Only the one that is asked for is loaded. */
const commands: readonly {
  readonly name: string;
  readonly synopsis: string;
  readonly summary: string;
  readonly load: () => Promise<Define>;
}[] = [
  {
    name: "status",
    synopsis: "status",
    summary: "say whether a broker runs, and how it is",
    load: async () => (await import("./commands/status.js")).defineStatus,
  },
  {
    name: "peers",
    synopsis: "peers",
    summary: "list the peers and what waits for them",
    load: async () => (await import("./commands/peers.js")).definePeers,
  },
  {
    name: "send",
    synopsis: "send TO TEXT|-",
    summary: "send a message as you",
    load: async () => (await import("./commands/send.js")).defineSend,
  },
  {
    name: "read",
    synopsis: "read [--wait]",
    summary: "print the messages that wait for you",
    load: async () => (await import("./commands/read.js")).defineRead,
  },
  {
    name: "log",
    synopsis: "log [-f]",
    summary: "print the messages of all peers and where they stand",
    load: async () => (await import("./commands/log.js")).defineLog,
  },
  {
    name: "show",
    synopsis: "show ID",
    summary: "print one message and where it stands",
    load: async () => (await import("./commands/log.js")).defineShow,
  },
  {
    name: "dead-letters",
    synopsis: "dead-letters",
    summary: "list, put back or drop messages that were given up",
    load: async () => (await import("./commands/dead-letters.js")).defineDeadLetters,
  },
  {
    name: "mute",
    synopsis: "mute PEER",
    summary: "forbid a peer to send",
    load: async () => (await import("./commands/moderation.js")).defineMute,
  },
  {
    name: "unmute",
    synopsis: "unmute PEER",
    summary: "let it send again",
    load: async () => (await import("./commands/moderation.js")).defineUnmute,
  },
  {
    name: "purge",
    synopsis: "purge --from PEER",
    summary: "remove what a peer sent and nobody has read",
    load: async () => (await import("./commands/moderation.js")).definePurge,
  },
  {
    name: "forget",
    synopsis: "forget NAME",
    summary: "remove a peer and what waits for it",
    load: async () => (await import("./commands/forget.js")).defineForget,
  },
  {
    name: "stop",
    synopsis: "stop",
    summary: "stop the broker in good order",
    load: async () => (await import("./commands/stop.js")).defineStop,
  },
  {
    name: "install",
    synopsis: "install [agent...]",
    summary: "make your coding agents start peerline",
    load: async () => (await import("./commands/install.js")).defineInstall,
  },
  {
    name: "uninstall",
    synopsis: "uninstall [agent...]",
    summary: "take peerline out of their configuration",
    load: async () => (await import("./commands/uninstall.js")).defineUninstall,
  },
  {
    name: "doctor",
    synopsis: "doctor",
    summary: "say what keeps agents apart, and how to mend it",
    load: async () => (await import("./commands/doctor.js")).defineDoctor,
  },
  {
    name: "demo",
    synopsis: "demo",
    summary: "watch three agents work together, and the broker die under them",
    load: async () => (await import("./commands/demo.js")).defineDemo,
  },
  {
    name: "mcp",
    synopsis: "mcp",
    summary: "run one agent's MCP server (started by its host)",
    load: async () => (await import("./commands/mcp.js")).defineMcp,
  },
  {
    name: "broker",
    synopsis: "broker",
    summary: "run the broker in the foreground (agents start it by themselves)",
    load: async () => (await import("./commands/broker.js")).defineBroker,
  },
];

async function defineProgram(argv: readonly string[], shell: Shell): Promise<Command> {
  const synopses = new Map(commands.map(({ name, synopsis }) => [name, synopsis]));
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
  for (const { name, summary, load } of commands) {
    const command = root.command(name).summary(summary);
    // The command, or the one that `peerline help` is asked about.
    if (argv.slice(0, 2).includes(name)) (await load())(command, shell);
  }
  return root;
}

const rootHelp = `
Environment:
  PEERLINE_HOME    the directory that holds everything; ~/.peerline by default
  PEERLINE_BROKER  the endpoint of a broker that runs elsewhere, as unix:/path/of/socket
  PEERLINE_NAME    the name an agent asks for

Examples:
  peerline demo
  peerline send api "UserResponse: removed legacyId, added uuid"
  peerline log -f`;
