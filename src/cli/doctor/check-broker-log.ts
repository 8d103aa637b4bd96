import { join } from "node:path";
import { isAtRest, type Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { logTailBytes } from "../limits.js";
import { openRegularFile } from "../../endpoint/regular-file.js";

/** Where no broker runs, its log says whether the last one could not start. */
export function checkBrokerLog(evidence: Evidence): Finding[] {
  if (!isAtRest(evidence)) return [];
  const last = lastStart(evidence.home.path);
  if (last === undefined || last.outcome === "listening") return [];
  const seen = `the last broker ${last.outcome}: ${last.message ?? "see the log"}`;
  const fix = `Do what it says; ${evidence.self} broker shows whether it starts`;
  return [{ id: "broker-start-failed", severity: "problem", subject: last.path, seen, fix }];
}

/** How the last start of a home's broker that its log tells of has ended. */
export interface LastStart {
  /** The path of the log. */
  readonly path: string;
  readonly outcome: "listening" | "did not start" | "crashed" | "ended: the store failed";
  /** What was said of it; undefined where it did start. */
  readonly message: string | undefined;
  /** The broker could not read its database, and salvaged nothing of it. */
  readonly isStoreLost: boolean;
}

/** Undefined where the end of the log tells of none. */
export function lastStart(home: string): LastStart | undefined {
  const path = join(home, "broker.log");
  const last = tailOf(path).findLast(({ msg }) => isOutcome(msg));
  if (last === undefined) return undefined;
  const { message, code } = Object(last["err"]) as Record<string, unknown>;
  return {
    path,
    outcome: outcomes[String(last["msg"])] ?? "crashed",
    message: typeof message === "string" ? message : undefined,
    isStoreLost: last["msg"] === "did not start" && code === "DATA_LOSS",
  };
}

const outcomes: Readonly<Record<string, LastStart["outcome"]>> = {
  listening: "listening",
  "did not start": "did not start",
  crashed: "crashed",
  "the store failed": "ended: the store failed",
};

function isOutcome(words: unknown): boolean {
  return typeof words === "string" && Object.hasOwn(outcomes, words);
}

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
