import { readdirSync, readFileSync } from "node:fs";

/** What the kernel says of a process. Linux only. */
export interface ProcessReading {
  /** Memory in use, in MiB. */
  readonly rssMiB: number;
  /** Open file descriptors. */
  readonly descriptors: number;
}

export function readProcess(pid: number): ProcessReading {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const rssKiB = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { rssMiB: rssKiB / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Why a process cannot be read here; undefined where it can. */
export const cannotRead: string | undefined =
  process.platform === "linux" ? undefined : "processes are read from /proc, on Linux only";
