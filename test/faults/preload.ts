import { execFileSync } from "node:child_process";
import { join } from "node:path";

/**
 * Compiles one of the C files beside this one into `folder`, to be preloaded into a process; a string
 * that says why not where that is impossible here.
 */
export function compilePreload(
  name: "record-writes" | "refuse-calls" | "slow-sync",
  folder: string,
): { path: string } | { impossible: string } {
  if (process.platform !== "linux") return { impossible: "LD_PRELOAD is tested on Linux only" };
  const path = join(folder, `${name}.so`);
  const source = join(import.meta.dirname, `${name}.c`);
  const flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", path, source];
  try {
    execFileSync("cc", [...flags, "-ldl", "-lpthread"]);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    return { impossible: "there is no C compiler (cc)" };
  }
  return { path };
}
