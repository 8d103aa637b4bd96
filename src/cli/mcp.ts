import { readConfig } from "../endpoint/config.js";
import { reportFailure } from "./failure.js";
import { Output } from "./output.js";
import type { Define } from "./shell.js";

export const defineMcp: Define = (command, shell) => {
  command
    .description(
      "Runs the MCP server of one agent on stdin and stdout. The agent's host starts it; it finds the broker or starts one.",
    )
    .addHelpText(
      "after",
      `
Environment:
  PEERLINE_NAME    the name to ask for; by default it is made from the project's directory
  PEERLINE_HOME    the directory that holds everything; ~/.peerline by default
  PEERLINE_BROKER  the endpoint of a broker that runs elsewhere, as unix:/path/of/socket

Example, in a host's configuration:
  { "mcpServers": { "peerline": { "command": "peerline", "args": ["mcp"] } } }`,
    )
    .action(async () => {
      shell.exitCode = await runMcp(shell.program);
    });
};

/** The command without a command line to parse: a host waits for its MCP servers only briefly. */
export async function runMcp(program: string): Promise<number> {
  try {
    const { runAdapter } = await import("../mcp/run-adapter.js");
    return await runAdapter({ config: readConfig(), program });
  } catch (error) {
    return reportFailure(error, new Output(process.stderr));
  }
}
