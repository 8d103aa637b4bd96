import type { StoreInfo } from "../../../gen/peerline/v1/broker_service_pb.js";
import { count } from "../print/receipt-words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

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
