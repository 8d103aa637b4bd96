import { readdirSync, readFileSync } from "node:fs";

/** What the kernel says of a process. Linux only. */
export interface ProcessReading {
  /** Memory in use, in MiB. */
  readonly rssMiB: number;
  /** The most that it ever was. */
  readonly peakMiB: number;
  /** CPU time of all its threads since its start, in milliseconds, in steps of 10. */
  readonly cpuMs: number;
  /** Open file descriptors. */
  readonly descriptors: number;
}

export function readProcess(pid: number): ProcessReading {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mebibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
  return {
    rssMiB: mebibytes("VmRSS"),
    peakMiB: mebibytes("VmHWM"),
    cpuMs: ticksOf(pid) * 10,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** In user mode and in the kernel; Linux tells of hundredths of a second whatever its clock is. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name before, in brackets, may have any characters.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Why a process cannot be read here; undefined where it can. */
export const cannotRead: string | undefined =
  process.platform === "linux" ? undefined : "processes are read from /proc, on Linux only";

/** What `ps` shows to everybody: the arguments of every process. */
export function argumentsOfAll(): string {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(argumentsOf)
    .join("\n");
}

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended.
    return "";
  }
}
