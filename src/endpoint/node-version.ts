import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";
import { versionTimeoutMs } from "./limits.js";

export function isNode(command: string): boolean {
  return /^node(?:js)?$/.test(basename(command));
}

/** The version of a Node, for example `v20.19.0`; undefined where it does not say one. */
export async function nodeVersion(
  command: string,
  { env, signal }: { env: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(command, ["--version"], {
      env,
      timeout: versionTimeoutMs,
      killSignal: "SIGKILL",
      signal,
    });
    return /^v\d+\.\d+\.\d+\S*/.exec(stdout)?.[0];
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Whether this program runs on it: on 20.19 and newer. */
export function isNodeTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.slice(1).split(".").map(Number);
  return major < 20 || (major === 20 && minor < 19);
}
