import { existsSync } from "node:fs";
import type { UserPlaces } from "../endpoint/config.js";
import { allInstallers } from "./all-hosts.js";
import { findProgram } from "../endpoint/find-program.js";
import type { Installer } from "./installer.js";

/** The hosts on this machine: installed, or used by this user before. */
export function findHosts(places: UserPlaces): Installer[] {
  return allInstallers.filter(
    (host) =>
      host.programs.some((program) => findProgram(program, places.programs) !== undefined) ||
      host.traces(places).some((path) => existsSync(path)),
  );
}
