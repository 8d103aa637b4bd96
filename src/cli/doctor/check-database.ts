import { existsSync } from "node:fs";
import { join } from "node:path";
import { advise, asidePath } from "./advice.js";
import { faultOf } from "./database-head.js";
import { isAtRest, type Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { lastStart } from "./last-start.js";
import { lockHolder } from "./lock-holder.js";
import { commandLine } from "./quoted.js";

/**
 * Where no broker can be asked, the head of the database says whether one could open it as it is. A broker
 * salvages what can be read of a damaged one; only where it has refused to is there anything to set aside.
 */
export async function checkDatabase(evidence: Evidence): Promise<Finding[]> {
  if (!isAtRest(evidence)) return [];
  const { home, self } = evidence;
  const path = join(home.path, "peerline.db");
  const fault = faultOf(path);
  // Whoever has taken the home meanwhile writes what was looked at.
  if (fault === undefined || (await lockHolder(home.path)) !== undefined) return [];
  const finding = { id: "store-damaged", severity: "problem", subject: path } as const;
  if (lastStart(home.path)?.isStoreLost === true) {
    const seen = `${fault}, and the last broker could read nothing of it`;
    return [{ ...finding, seen, ...setAside(path) }];
  }
  const mend = `Leave its files where they are: the next agent starts a broker, which keeps them and salvages what can be read; ${self} broker shows it`;
  return [{ ...finding, seen: fault, mend }];
}

/** The log first: a broker that starts meanwhile makes a new database, to which an old log must not belong. */
function setAside(path: string) {
  const files = ["-wal", "-shm", "-journal", ""]
    .map((suffix) => path + suffix)
    .filter((file) => existsSync(file));
  const folder = asidePath(path);
  return advise(
    [commandLine("mkdir", "-m", "700", folder), commandLine("mv", ...files, `${folder}/`)],
    "then the next broker begins anew; with a backup in its place instead, it goes on with that",
  );
}
