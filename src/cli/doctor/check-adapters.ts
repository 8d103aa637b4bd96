import { VERSION } from "../../endpoint/version.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { programVersion } from "./program-version.js";

/** The versions of the adapters that run, by the programs they were started from. */
export function checkAdapters({ running = [] }: Evidence): Finding[] {
  return running.flatMap(({ kind, pid, program, cwd }) => {
    if (kind !== "adapter") return [];
    const version = program === undefined ? undefined : programVersion(program);
    if (program !== undefined && (version === undefined || version === VERSION)) return [];
    const what = version === undefined ? "a program that was removed" : `version ${version}`;
    const where = cwd === undefined ? "" : ` in ${cwd}`;
    return {
      id: "adapter-version",
      severity: "warning",
      subject: program ?? `pid ${pid}`,
      seen: `the agent${where} (adapter ${pid}) runs ${what}, and this is ${VERSION}`,
      mend: "Restart that agent",
    } satisfies Finding;
  });
}
