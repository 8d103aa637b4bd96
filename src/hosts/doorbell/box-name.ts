import { bootId, startTicksOf } from "../../endpoint/process-stamp.js";
import { maxBoxName } from "./limits.js";

/**
 * The folder's name for a process, as `doorbell.sh` makes it: with when the process began and the boot,
 * where the system tells. Its number alone is another process's in another container.
 */
export function boxOfProcess(pid: number): string {
  const startTicks = startTicksOf(pid);
  const [boot = ""] = bootId().split("-", 1);
  return startTicks === "" || boot === "" ? `pid-${pid}` : `pid-${pid}-${startTicks}-${boot}`;
}

/** The folder's name for a session of a host that runs several in one process; undefined where it can name none. */
export function boxOfSession(session: string): string | undefined {
  const isName = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(session) && session.length <= maxBoxName;
  return isName ? session : undefined;
}
