import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import type { UserPlaces } from "../endpoint/config.js";
import { allInstallers } from "./all-installers.js";
import type { Installer } from "./installer.js";

/** The hosts on this machine: installed, or used by this user before. */
export function findHosts(places: UserPlaces): Installer[] {
  return allInstallers.filter(
    (host) =>
      host.programs.some((program) => isInstalled(program, places.programs)) ||
      host.traces(places).some((path) => existsSync(path)),
  );
}

function isInstalled(program: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
