import type { UserPlaces } from "../endpoint/config.js";
import { findProgram } from "../endpoint/find-program.js";
import { commandLine } from "./doctor/quoted.js";

/** How a person calls this program here. */
export function selfCommand(program: string, { programs }: UserPlaces): string {
  return findProgram("peerline", programs) === undefined
    ? commandLine(process.execPath, program)
    : "peerline";
}
