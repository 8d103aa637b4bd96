import { isAtRest, type Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { lastStart } from "./last-start.js";

/** Where no broker runs, its log says whether the last one could not start. */
export function checkBrokerLog(evidence: Evidence): Finding[] {
  if (!isAtRest(evidence)) return [];
  const last = lastStart(evidence.home.path);
  if (last === undefined || last.outcome === "listening") return [];
  const seen = `the last broker ${last.outcome}: ${last.message ?? "see the log"}`;
  const mend = `Do what it says; ${evidence.self} broker shows whether it starts`;
  return [{ id: "broker-start-failed", severity: "problem", subject: last.path, seen, mend }];
}
