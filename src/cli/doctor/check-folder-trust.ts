import { commandLine } from "./quoted.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Some hosts start no server in a folder that their user does not trust. */
export function checkFolderTrust({ hosts, project }: Evidence): Finding[] {
  return hosts.flatMap(({ host, entries, plugin, folder }): Finding[] => {
    const isTold = plugin !== undefined || entries.some(({ scope }) => scope !== "ignored");
    const { folderTrust, programs } = host;
    if (!isTold || folderTrust === "none" || folder === undefined) return [];
    if (folder.trust === "trusted") return [];
    const isRefused = folder.trust === "refused";
    const word = isRefused ? "is refused trust" : "has no trust yet";
    return [
      {
        id: "folder-untrusted",
        severity: isRefused ? "warning" : "note",
        subject: host.title,
        seen: `${project} ${word} in ${folder.path}: no server is started there`,
        mend: `${commandLine("cd", project)} && ${programs[0]}, then ${folderTrust.command}`,
      },
    ];
  });
}
