import { readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { runAdapter } from "../../mcp/run-adapter.js";
import { reportLate } from "../report-late.js";
import type { Define } from "../shell.js";

export const define: Define = (command, shell) => {
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
  PEERLINE_BROKER  the endpoint of a broker that runs elsewhere, as unix:/path/of/socket or tls:HOST:PORT;
                   several, with commas between them, are tried in turn

Example, in a host's configuration:
  { "mcpServers": { "peerline": { "command": "peerline", "args": ["mcp"] } } }`,
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async () => {
      shell.exitCode = await runMcp(shell.program, command.args);
    });
};

/**
 * The command without a command line to parse: a host waits for its MCP servers only briefly. What is
 * wrong with the settings is said in answers: hosts show little of a server that ends.
 */
export async function runMcp(program: string, args: readonly string[] = []): Promise<number> {
  try {
    return await runAdapter({ config: settings(args), program });
  } catch (error) {
    return reportLate(error);
  }
}

function settings(args: readonly string[]): Config | EndpointError {
  try {
    if (args.length === 0) return readConfig();
    return new EndpointError(
      "CONFIG_INVALID",
      `\`peerline mcp\` takes no arguments, and was given ${args.join(" ")}. Its settings are the variables PEERLINE_NAME, PEERLINE_HOME and PEERLINE_BROKER.`,
    );
  } catch (error) {
    if (error instanceof EndpointError) return error;
    throw error;
  }
}
