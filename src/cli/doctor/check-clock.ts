import { timestampMs } from "@bufbuild/protobuf/wkt";
import { span } from "../print/relative-time.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { clockToleranceMs } from "./limits.js";

/** Times that the broker gave and that are still to come: the clock was set back since, or was wrong. */
export function checkClock({ broker, nowMs, self }: Evidence): Finding[] {
  if (broker.state !== "running") return [];
  const { startTime } = broker.info;
  const findings: Finding[] = [];
  const startedInMs = startTime === undefined ? 0 : timestampMs(startTime) - nowMs;
  if (startedInMs > clockToleranceMs) {
    const seen = `the broker started ${span(startedInMs)} from now: the clock was set back`;
    const mend = `Set the clock right, then ${self} stop (agents that run start the broker again)`;
    findings.push({ id: "clock", severity: "warning", subject: "clock", seen, mend });
  }
  const newestInMs = (broker.newestMs ?? nowMs) - nowMs;
  if (newestInMs > clockToleranceMs) {
    const seen = `the newest message was accepted ${span(newestInMs)} from now: the clock is slow, or was fast`;
    const mend = "Set the clock right; messages of that time expire later than they say";
    findings.push({ id: "clock", severity: "warning", subject: "clock", seen, mend });
  }
  return findings;
}
