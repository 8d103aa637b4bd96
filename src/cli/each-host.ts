import { Argument, InvalidArgumentError } from "commander";
import { workingDirectory, type UserPlaces } from "../endpoint/config.js";
import { allHosts } from "../hosts/all-hosts.js";
import { HostError } from "../hosts/config-files/host-error.js";
import { hostNamed } from "../hosts/find-hosts.js";
import type { Host, Scope } from "../hosts/host.js";
import { CliError, ExitCode, reportFailure } from "./failure.js";
import type { Shell } from "./shell.js";

/** The hosts that a command is for, each by its name or that of a program of it. */
export function hostArgument(description: string): Argument {
  const names = allHosts.map(({ name }) => name).join(", ");
  return new Argument("[agent...]", `${description}: ${names}`).argParser(
    (name, earlier: readonly Host[] | undefined) => {
      const host = hostNamed(name);
      if (host === undefined) throw new InvalidArgumentError(`Allowed choices are ${names}.`);
      return allHosts.filter((one) => one === host || earlier?.includes(one));
    },
  );
}

/** Does one thing for each host. One whose configuration cannot be changed does not keep it from the others. */
export async function forEachHost(
  shell: Shell,
  hosts: readonly Host[],
  act: (host: Host) => Promise<void>,
): Promise<void> {
  if (hosts.length === 0) {
    throw new CliError(
      "NO_HOST",
      `No coding agent was found on this machine. Name the one you want: ${allHosts.map(({ name }) => name).join(", ")}.`,
    );
  }
  for (const host of hosts) {
    try {
      await act(host);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      await reportFailure(error, shell.notes);
      shell.exitCode = ExitCode.failure;
    }
  }
}

/** The folder of the project that the user is in. What is done for the user alone looks at none. */
export function projectFolder({ scope }: { scope: Scope }, { home }: UserPlaces): string {
  const folder = workingDirectory();
  if (folder !== undefined) return folder;
  if (scope === "user") return home;
  throw new CliError(
    "NO_PROJECT",
    "The directory you are in was removed: go to the project's, and run it there.",
  );
}
