import { readdirSync, readFileSync } from "node:fs";

/** What the kernel says of a process. Linux only. */
export interface ProcessReading {
  /** Memory in use, in MiB. */
  readonly rssMiB: number;
  /** The most that it ever was. */
  readonly peakMiB: number;
  /** CPU time of the threads that it has, since their start, in milliseconds. */
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
    cpuMs: cpuMsOf(pid),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** Of the threads that it has; the kernel tells nanoseconds of each. */
function cpuMsOf(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const told = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      nanoseconds += Number(told.split(" ")[0]);
    } catch {
      // It has ended.
    }
  }
  return nanoseconds / 1e6;
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
