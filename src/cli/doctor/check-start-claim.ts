import { existsSync } from "node:fs";
import { join } from "node:path";
import { isClaimed } from "../../endpoint/start-claim.js";
import { advise } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { commandLine } from "./quoted.js";

/** The claim of a process that was killed while it started a broker. It has lapsed, and guards nothing. */
export function checkStartClaim({ home, nowMs }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  const path = join(home.path, "broker.starting");
  if (!existsSync(path) || isClaimed(path, nowMs)) return [];
  const seen = "left by a process that ended while it started a broker; the next start takes it";
  const advice = advise([commandLine("rm", path)]);
  return [{ id: "start-claim", severity: "note", subject: path, seen, ...advice }];
}
