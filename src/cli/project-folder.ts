import type { UserPlaces } from "../endpoint/config.js";
import { workingDirectory } from "../endpoint/working-directory.js";
import type { Scope } from "../hosts/host.js";
import { CliError } from "./cli-error.js";

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
