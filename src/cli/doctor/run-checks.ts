import { errnoOf } from "../../endpoint/errno.js";
import { allChecks, type Check } from "./all-checks.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Everything that the checks find. What the system does not let one see keeps none of the others. */
export async function runChecks(evidence: Evidence, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of allChecks) findings.push(...(await run(check, evidence, signal)));
  return findings;
}

async function run(
  check: Check,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  signal.throwIfAborted();
  try {
    return await check(evidence, signal);
  } catch (error) {
    signal.throwIfAborted();
    // Only what the system says of a file is a finding; anything else is a defect.
    if (errnoOf(error) === undefined || !isPathError(error)) throw error;
    const mend = "Look at that path: who owns it, and who may read it";
    const seen = `it could not be looked at (${error.code})`;
    return [{ id: "not-looked", severity: "warning", subject: error.path, seen, mend }];
  }
}

function isPathError(error: unknown): error is { readonly code: string; readonly path: string } {
  return error instanceof Error && "path" in error && typeof error.path === "string";
}
