import type { Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { VERSION } from "../endpoint/version.js";

/** Tells a person who runs the server by hand what it is, and what it would connect to. */
export async function greetTerminal(options: {
  config: Config;
  program: string;
  log: (line: string) => void;
}): Promise<void> {
  const { config, program, log } = options;
  log(
    `MCP server ${VERSION}. Coding agents start it themselves, once \`peerline install\` has told them of it.`,
  );
  try {
    const connection = await connectBroker({ config, program, start: false });
    const { version } = connection.info;
    await connection.close();
    log(`broker ${version} runs at ${config.endpoint}.`);
  } catch (error) {
    log(error instanceof Error ? error.message : String(error));
  }
  log("waiting for an MCP client on standard input; Ctrl-C ends it.");
}
