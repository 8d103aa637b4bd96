import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { readConfig } from "../../endpoint/config.js";

/** An adapter or a broker that runs as this user. */
export interface RunningProgram {
  readonly kind: "adapter" | "broker";
  readonly pid: number;
  /** The program's file, with links resolved; undefined where it is gone. */
  readonly program: string | undefined;
  /** Where it works; undefined where that is gone. */
  readonly cwd: string | undefined;
  /** The socket of its broker, with links in the home resolved. */
  readonly socket: string;
}

/**
 * The adapters and brokers of this user that share the user's home directory; undefined where the
 * system does not show processes as files. Of their environments only Peerline's own variables are kept.
 */
export function findRunning(userHome: string): RunningProgram[] | undefined {
  if (process.platform !== "linux") return undefined;
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      return look(Number(pid), userHome) ?? [];
    } catch {
      // Ended just now, or closed to us.
      return [];
    }
  });
}

/** The path of the socket at which a home's processes meet, whatever links lead to it. */
export function socketOf(endpoint: string): string {
  const path = endpoint.slice("unix:".length);
  return join(resolved(dirname(path)) ?? dirname(path), basename(path));
}

function look(pid: number, userHome: string): RunningProgram | undefined {
  const folder = join("/proc", String(pid));
  if (pid === process.pid || statSync(folder).uid !== process.getuid?.()) return undefined;
  const words = readFileSync(join(folder, "cmdline"), "utf8").split("\0").slice(0, -1);
  const verb = words.at(-1);
  const program = words.at(-2) ?? "";
  if (!/^peerline(?:\.js)?$/.test(basename(program))) return undefined;
  if (verb !== "mcp" && verb !== "broker") return undefined;
  const env = environmentOf(folder);
  // A home directory of its own is a world of its own: a container, a sandbox, a test.
  if (resolve(env.HOME ?? userInfo().homedir) !== resolve(userHome)) return undefined;
  const cwd = tryRead(() => readlinkSync(join(folder, "cwd")));
  return {
    kind: verb === "mcp" ? "adapter" : "broker",
    pid,
    program: resolved(resolve(cwd ?? "/", program)),
    cwd,
    socket: socketOf(readConfig(env).endpoint),
  };
}

function environmentOf(folder: string) {
  const variables = readFileSync(join(folder, "environ"), "utf8").split("\0");
  const valueOf = (name: string) =>
    variables.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  return {
    HOME: valueOf("HOME"),
    PEERLINE_HOME: valueOf("PEERLINE_HOME"),
    PEERLINE_BROKER: valueOf("PEERLINE_BROKER"),
  };
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
