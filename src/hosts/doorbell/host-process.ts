import { readlinkSync } from "node:fs";
import { parentOf } from "../../endpoint/process-stamp.js";
import { maxWrappers } from "./limits.js";

/**
 * The process of the host that started this server, which its hooks know too. What stands between the
 * two, such as a shell, npx or a version manager, hands its own standard input on; the host has another
 * one. Where the system does not show that, it is the parent.
 */
export function findHostProcess(): number {
  const stdin = standardInputOf("self");
  if (stdin === undefined || !/^(?:pipe|socket):/.test(stdin)) return process.ppid;
  let pid: number | undefined = process.ppid;
  for (let wrappers = 0; pid !== undefined && wrappers <= maxWrappers; wrappers++) {
    if (standardInputOf(pid) !== stdin) return pid;
    pid = parentOf(pid);
  }
  return process.ppid;
}

function standardInputOf(process: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/fd/0`);
  } catch {
    // Not Linux, or a process that shows nothing of itself.
    return undefined;
  }
}
