import { HostError } from "../hosts/config-files/host-error.js";
import type { Installer } from "../hosts/installer.js";
import { CliError } from "./cli-error.js";
import { ExitCode } from "./exit-codes.js";
import { reportFailure } from "./failure.js";
import type { Shell } from "./shell.js";

/** Does one thing for each host. One whose configuration cannot be changed does not keep it from the others. */
export async function forEachHost(
  shell: Shell,
  hosts: readonly Installer[],
  act: (host: Installer) => Promise<void>,
): Promise<void> {
  if (hosts.length === 0) {
    throw new CliError(
      "NO_HOST",
      "No coding agent was found on this machine. Name the one you want.",
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
