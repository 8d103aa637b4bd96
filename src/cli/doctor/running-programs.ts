import { readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { readConfig, type BrokerPlace } from "../../endpoint/config.js";
import { readRegularFile } from "../../endpoint/regular-file.js";
import { maxProcessBytes } from "../limits.js";

/** An adapter or a broker that runs as this user. */
export interface RunningProgram {
  readonly kind: "adapter" | "broker";
  readonly pid: number;
  /** The program's file, with links resolved; undefined where it is gone. */
  readonly program: string | undefined;
  /** Where it works; undefined where that is gone. */
  readonly cwd: string | undefined;
  /** Where its broker may answer, as `socketOf` says it. */
  readonly sockets: readonly string[];
}

/**
 * The adapters and brokers of this user that share the user's home directory; undefined where the
 * system does not show processes as files. Of their environments only Peerline's own variables are kept.
 */
export async function findRunning(userHome: string): Promise<RunningProgram[] | undefined> {
  if (process.platform !== "linux") return undefined;
  const found: RunningProgram[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    // It may have ended just now, or be closed to us.
    const program = await look(Number(pid), userHome).catch(() => undefined);
    if (program !== undefined) found.push(program);
  }
  return found;
}

/** Where a home's processes meet: the path of a socket, whatever links lead to it, or another machine. */
export function socketOf({ socketPath: path, endpoint }: BrokerPlace): string {
  if (path === undefined) return endpoint;
  return join(resolved(dirname(path)) ?? dirname(path), basename(path));
}

async function look(pid: number, userHome: string): Promise<RunningProgram | undefined> {
  const folder = join("/proc", String(pid));
  if (pid === process.pid || statSync(folder).uid !== process.getuid?.()) return undefined;
  const words = (await readWords(join(folder, "cmdline"))).slice(0, -1);
  const verb = words.at(-1);
  const program = words.at(-2) ?? "";
  if (!/^peerline(?:\.js)?$/.test(basename(program))) return undefined;
  if (verb !== "mcp" && verb !== "broker") return undefined;
  const variables = await readWords(join(folder, "environ"));
  const env: NodeJS.ProcessEnv = Object.fromEntries(
    variables.map((line) => line.split(/=(.*)/s, 2)),
  );
  // A home directory of its own is a world of its own: a container, a sandbox, a test.
  if (resolve(env.HOME ?? userInfo().homedir) !== resolve(userHome)) return undefined;
  const cwd = tryRead(() => readlinkSync(join(folder, "cwd")));
  return {
    kind: verb === "mcp" ? "adapter" : "broker",
    pid,
    program: resolved(resolve(cwd ?? "/", program)),
    cwd,
    sockets: readConfig(env).places.map(socketOf),
  };
}

/** Another program may have made its arguments as long as it likes. */
async function readWords(path: string): Promise<string[]> {
  const file = await readRegularFile(path, maxProcessBytes);
  return file?.bytes?.toString().split("\0") ?? [];
}

function resolved(path: string): string | undefined {
  return tryRead(() => realpathSync(path));
}

function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
