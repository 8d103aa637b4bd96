import { execFile } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { basename } from "node:path";
import { promisify } from "node:util";
import { EndpointError } from "./endpoint-error.js";
import { findProgram, foldersIn, isProgram } from "./find-program.js";
import { brokerNodeFlags, versionTimeoutMs } from "./limits.js";
import { openRegularFile } from "./regular-file.js";

/** What runs a broker: a file, and what stands before its own arguments. */
export interface BrokerCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/**
 * Chooses what a broker is started with: the Node and the program that this process runs on. An agent
 * may outlive an upgrade that removes them. What is gone is replaced by what is on PATH.
 *
 * 1. The program, else `peerline`. One that is no script for Node, as those of version managers, is run
 *    as it is, and chooses its Node itself.
 * 2. The Node, else `node`, which must be new enough.
 *
 * Fails with BROKER_START_FAILED, which names the file that is gone and what to do.
 */
export async function chooseBrokerCommand(options: {
  program: string;
  node: string;
  environment: Readonly<Record<string, string>>;
  signal: AbortSignal;
}): Promise<BrokerCommand> {
  const { program, node, environment, signal } = options;
  const folders = foldersIn(environment["PATH"]);
  const script = existsSync(program) ? program : findInstead(program, "peerline", folders);
  if (script !== program && !isForNode(script)) return { file: script, args: [] };
  // By its real path, as Node would name it: a link on PATH moves with the next upgrade.
  const args = [...brokerNodeFlags, script === program ? program : realpathSync(script)];
  if (isProgram(node)) return { file: node, args };

  const other = findInstead(node, "node", folders);
  const version = await nodeVersion(other, { env: environment, signal });
  if (version !== undefined && !isNodeTooOld(version)) return { file: other, args };
  const what = version ?? "of a version that it does not tell";
  throw gone(node, `and the \`node\` on PATH, ${other}, is ${what}: Peerline needs 20.19 or newer`);
}

function findInstead(missing: string, name: string, folders: readonly string[]): string {
  const found = findProgram(name, folders);
  if (found === undefined) throw gone(missing, `and there is no \`${name}\` on PATH`);
  return found;
}

function isForNode(script: string): boolean {
  using file = openRegularFile(script);
  return file?.read(0, nodeLine.length).toString("latin1") === nodeLine;
}

const nodeLine = "#!/usr/bin/env node";

function gone(path: string, rest: string): EndpointError {
  return new EndpointError(
    "BROKER_START_FAILED",
    `The broker could not be started: ${path} is gone, as after an upgrade, ${rest}. ` +
      "Restart this agent, so that it runs what is installed now; if that does not start either, install Peerline again.",
  );
}

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
