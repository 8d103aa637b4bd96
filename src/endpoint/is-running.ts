import { readKernelLine } from "./kernel-line.js";

/** Whether there is a process of this id that has not ended. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  return !isZombie(pid);
}

/** It has ended, and its parent has not taken note: in a container nobody may ever do. */
function isZombie(pid: number): boolean {
  return /\) Z /.test(readKernelLine(`/proc/${pid}/stat`) ?? "");
}
