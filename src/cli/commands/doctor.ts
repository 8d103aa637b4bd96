import { systemClock } from "../../clock.js";
import {
  homePath,
  readConfig,
  readUserPlaces,
  workingDirectory,
  type Config,
  type UserPlaces,
} from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { VERSION } from "../../endpoint/version.js";
import { joinedPathIn } from "../../endpoint/joined-broker.js";
import { advise, asidePath, commandLine } from "../doctor/advice.js";
import { runChecks } from "../doctor/all-checks.js";
import { gatherEvidence } from "../doctor/evidence.js";
import { isTrouble, reportLines, type Finding } from "../doctor/finding.js";
import { ExitCode } from "../failure.js";
import { catchInterruption, type Define, type Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Looks for what keeps agents apart, and says how to fix it: the home, the broker, running agents, and how each " +
        "coding agent is told of peerline. It changes nothing and starts no broker; the commands that are configured are " +
        "started for a moment, in a home of their own.",
    )
    .option(
      "--json",
      "print one JSON object: version, and findings with id, severity, subject, seen, fix and, where a shell can do it, commands",
    )
    .addHelpText(
      "after",
      `
Ends with exit code ${ExitCode.failure} when there is a warning or a problem; notes are no failure.

Examples:
  peerline doctor
  peerline doctor --json | jq -r '.findings[] | select(.severity == "problem") | .fix'`,
    )
    .action((options: { json?: true }) => doctor(shell, options.json ?? false));
};

async function doctor(shell: Shell, json: boolean): Promise<void> {
  using interruption = catchInterruption();
  const findings = await examine(shell.program, interruption.signal);
  if (json) await shell.out.json({ version: VERSION, findings });
  else await shell.out.exact(...reportLines(findings, shell.out));
  if (findings.some(isTrouble)) shell.exitCode = ExitCode.failure;
}

async function examine(program: string, signal: AbortSignal): Promise<Finding[]> {
  const config = readSettings();
  if (!("home" in config)) return [config];
  const directory = workingDirectory();
  const places = readUserPlaces();
  const asked = {
    config,
    places,
    // If the working directory was removed, the user's own takes its place.
    project: directory ?? places.home,
    program,
    nowMs: systemClock.now(),
  };
  const findings = await runChecks(await gatherEvidence(asked, signal), signal);
  return directory === undefined ? [removedDirectory(places), ...findings] : findings;
}

function removedDirectory({ home }: UserPlaces): Finding {
  return {
    id: "directory-removed",
    severity: "warning",
    subject: "the directory you are in",
    seen: `it was removed: what a project there says was not looked at, and agents started in it know no project`,
    fix: `cd to the project's directory (or ${commandLine("cd", home)}), and restart agents that were started here`,
  };
}

/** While the file is there as it is, no agent of this home has a broker. */
function joinedUnreadable({ code, message: seen }: EndpointError): Finding {
  const subject = joinedPathIn(homePath());
  const advice =
    code === "JOINED_NEWER"
      ? { fix: "Update this one, and restart the agents that run it" }
      : advise(
          [commandLine("mv", subject, asidePath(subject))],
          "this home uses its own broker then; join again with a new line",
        );
  return { id: "joined-damaged", severity: "problem", subject, seen, ...advice };
}

/** The settings, or what is wrong with them: then there is nothing that could be looked at. */
function readSettings(): Config | Finding {
  try {
    return readConfig();
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    if (error.code === "JOINED_DAMAGED" || error.code === "JOINED_NEWER") {
      return joinedUnreadable(error);
    }
    return {
      id: "setting-invalid",
      severity: "problem",
      subject: "environment",
      seen: error.message,
      fix: "Correct that variable where it is set, or unset it",
    };
  }
}
