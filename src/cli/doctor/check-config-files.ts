import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Files that their host cannot read: it may do without all that is in them. */
export function checkConfigFiles({ hosts }: Evidence): Finding[] {
  return hosts.flatMap(({ host, broken }) =>
    broken.map((error) => ({
      id: "config-broken",
      severity: "problem",
      subject: host.title,
      seen: error.message,
      mend: "Mend the file at that place, or remove it",
    })),
  );
}
