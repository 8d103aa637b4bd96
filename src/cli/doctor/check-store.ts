import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { StoreInfo } from "../../../gen/peerline/v1/broker_service_pb.js";
import { count, span } from "../print/words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { clockToleranceMs } from "./limits.js";

/** What the broker says of its store. */
export function checkStore({ home, broker, self }: Evidence): Finding[] {
  if (broker.state !== "running" || broker.info.store === undefined) return [];
  const { store } = broker.info;
  const subject = home.path;
  const findings: Finding[] = [];
  if (!store.writable) {
    const mend = `Mend that; ${self} status says when it takes messages again`;
    const seen = `it takes no messages: ${store.problem}`;
    findings.push({ id: "store-closed", severity: "problem", subject, seen, mend });
  }
  if (store.damagedMessages > 0n) {
    const damaged = count(Number(store.damagedMessages), "damaged message");
    const seen = `${damaged} set aside, which nobody gets`;
    const mend = `Ask their senders to send them again: ${self} log; then test the disk`;
    findings.push({ id: "store-damaged", severity: "warning", subject, seen, mend });
  }
  for (const seen of store.damages) {
    const mend = `Test the disk. What was lost is in the words above and in ${self} log`;
    findings.push({ id: "store-damaged", severity: "warning", subject, seen, mend });
  }
  return findings.length > 0 ? findings : [healthy(store, subject)];
}

function healthy({ technology, bytes }: StoreInfo, subject: string): Finding {
  const seen = `${technology}, takes messages, ${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
  return { id: "store", severity: "ok", subject, seen };
}

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
