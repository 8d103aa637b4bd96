import { findForbidden, findProgram } from "../../endpoint/find-program.js";
import { advise } from "./advice.js";
import { installGlobally, makeExecutable } from "./check-program.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** The plugin starts `peerline` by that name, wherever it is installed. */
export function checkPlugins({ hosts, places, program }: Evidence): Finding[] {
  return hosts.flatMap(({ host, plugin }): Finding[] => {
    if (plugin === undefined) return [];
    const subject = host.title;
    if (findProgram("peerline", places.programs) !== undefined) {
      return [
        { id: "plugin", severity: "ok", subject, seen: `its plugin is in use (${plugin.path})` },
      ];
    }
    const forbidden = findForbidden("peerline", places.programs);
    const what =
      forbidden === undefined ? "is not on PATH" : `may not be executed where it is (${forbidden})`;
    const seen = `its plugin is in use (${plugin.path}) and starts \`peerline\`, which ${what}`;
    const command = forbidden === undefined ? installGlobally(program) : makeExecutable(forbidden);
    return [
      { id: "plugin-program-missing", severity: "problem", subject, seen, ...advise([command]) },
    ];
  });
}
