import { readConfig } from "../../endpoint/config.js";
import { brokerExit } from "../../endpoint/start-report.js";
import { reportLate } from "../report-late.js";
import type { Define } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Runs the broker of this home in the foreground. Agents start one by themselves; where one runs already, this ends at once.",
    )
    .addHelpText(
      "after",
      `
Environment:
  PEERLINE_HOME  the directory that holds everything; ~/.peerline by default

Exit codes:
  ${brokerExit.done}   stopped in good order, or another broker already serves the home
  ${brokerExit.failed}   could not start, or not stop in good order
  ${brokerExit.storeNewer}  the database was written by a newer version
  ${brokerExit.crashed}  a defect
  ${brokerExit.storeDamaged}  the database is damaged; the message says what to do
  ${brokerExit.storeUnreachable}  NATS, which \`store\` in broker.toml names, cannot be used now; the message says why

Example:
  PEERLINE_HOME=/srv/peerline peerline broker`,
    )
    .action(async () => {
      shell.exitCode = await run();
    });
};

/** The command without a command line to parse. */
export async function runBrokerAlone(): Promise<number> {
  try {
    return await run();
  } catch (error) {
    return reportLate(error);
  }
}

async function run(): Promise<number> {
  const { runBroker } = await import("../../daemon/run-broker.js");
  return runBroker({ config: readConfig() });
}
