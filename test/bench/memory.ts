import { readFileSync } from "node:fs";
import { readProcess } from "../support/process-reading.js";

export function rssMiB(pid: number): number {
  return readProcess(pid).rssMiB;
}

/** Its part of what processes share counts in parts: what one more of its kind costs the machine. */
export function pssMiB(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
}
