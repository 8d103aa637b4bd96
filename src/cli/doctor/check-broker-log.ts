import { join } from "node:path";
import { openRegularFile } from "../../endpoint/regular-file.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { logTailBytes } from "./limits.js";

/** Where no broker runs, its log says whether the last one could not start. */
export function checkBrokerLog({ home, broker, self }: Evidence): Finding[] {
  if (home.state !== "usable" || !["absent", "left"].includes(broker.state)) return [];
  const path = join(home.path, "broker.log");
  const last = tailOf(path).findLast(({ msg }) => typeof msg === "string" && outcomes.has(msg));
  if (last === undefined || last["msg"] === "listening") return [];
  const reason = (last["err"] as { message?: unknown } | undefined)?.message;
  const seen = `the last broker ${String(last["msg"])}: ${typeof reason === "string" ? reason : "see the log"}`;
  const mend = `Do what it says; ${self} broker shows whether it starts`;
  return [{ id: "broker-start-failed", severity: "problem", subject: path, seen, mend }];
}

const outcomes: ReadonlySet<string> = new Set(["listening", "did not start", "crashed"]);

/** The last records of a log of JSON lines; what is none is left out. */
function tailOf(path: string): Record<string, unknown>[] {
  return readEnd(path)
    .split("\n")
    .flatMap((line) => {
      try {
        return [Object(JSON.parse(line)) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}

function readEnd(path: string): string {
  using file = openRegularFile(path);
  if (file === undefined) return "";
  return file.read(Math.max(0, file.stats.size - logTailBytes), logTailBytes).toString();
}
