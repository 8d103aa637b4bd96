import { readdirSync, readFileSync } from "node:fs";
import { cannotRead } from "../../support/process-reading.js";

/** The processes that run with this home: a host, its servers, and whatever else it started. */
export function processesOf(home: string): number[] {
  if (cannotRead !== undefined) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(`HOME=${home}`))
    .map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // It has ended, or belongs to another user.
    return [];
  }
}
