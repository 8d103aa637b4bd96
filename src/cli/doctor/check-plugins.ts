import { dirname } from "node:path";
import { findProgram } from "../../hosts/find-program.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { commandLine } from "./quoted.js";

/** The plugin starts `peerline` by that name, wherever it is installed. */
export function checkPlugins({ hosts, places, program }: Evidence): Finding[] {
  return hosts.flatMap(({ host, plugin }): Finding[] => {
    if (plugin === undefined) return [];
    const subject = host.title;
    if (findProgram("peerline", places.programs) !== undefined) {
      return [{ id: "plugin", severity: "ok", subject, seen: `its plugin is in use (${plugin})` }];
    }
    const seen = `its plugin is in use (${plugin}) and starts \`peerline\`, which is not on PATH`;
    const mend = commandLine("npm", "install", "--global", dirname(dirname(program)));
    return [{ id: "plugin-program-missing", severity: "problem", subject, seen, mend }];
  });
}
