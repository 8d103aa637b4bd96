import { readConfig } from "../endpoint/config.js";
import type { Define } from "./shell.js";

export const defineBroker: Define = (command, shell) => {
  command
    .description(
      "Runs the broker of this home in the foreground. Agents start one by themselves; where one runs already, this ends at once.",
    )
    .addHelpText(
      "after",
      `
Environment:
  PEERLINE_HOME  the directory that holds everything; ~/.peerline by default

Exit codes: 0 stopped in good order, 1 could not start, 10 the database is newer than this program, 11 a defect.

Example:
  PEERLINE_HOME=/srv/peerline peerline broker`,
    )
    .action(async () => {
      const { runBroker } = await import("../daemon/run-broker.js");
      shell.exitCode = await runBroker({ config: readConfig() });
    });
};
