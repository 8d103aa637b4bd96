import { existsSync, lstatSync, readdirSync, statSync, type Stats } from "node:fs";
import { userInfo } from "node:os";
import { basename, join } from "node:path";
import { errnoOf } from "../../endpoint/endpoint-error.js";
import { settingsPathIn } from "../../endpoint/home.js";
import { maxSecrets, startClaimMs } from "../../endpoint/limits.js";
import { readSecretFile } from "../../endpoint/secrets.js";
import { isLeft, isUnvisited } from "../../hosts/doorbell/box-folder.js";
import { count } from "../print/words.js";
import { advise, asidePath, commandLine, quoted } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { maxHomeEntries } from "../limits.js";

/** What is in the home has to be this user's, and closed to others like the home itself. */
export function checkHomeFiles({ home }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  const files = filesOf(home.path);
  const foreign = files.filter(({ stats }) => stats.uid !== process.getuid?.());
  // What the operator has written holds no secret.
  const isOpen = ({ path, stats }: (typeof files)[number]): boolean =>
    !stats.isSymbolicLink() && (stats.mode & 0o077) !== 0 && path !== settingsPathIn(home.path);
  const open = files.filter(isOpen);
  const pipe = files.find(({ path, stats }) => isOutOfPlace(path, stats));
  const id = "home-files";
  const findings: Finding[] = [];
  if (foreign[0] !== undefined) {
    const seen = `${foreign.length} of what is in the home belongs to another user, as after a start with sudo`;
    const advice = advise([commandLine("sudo", "chown", "-Rh", userInfo().username, home.path)]);
    findings.push({ id, severity: "problem", subject: foreign[0].path, seen, ...advice });
  }
  if (open[0] !== undefined) {
    const seen = `the modes of ${count(open.length, "file")} in the home would let others in, were the home open`;
    const advice = advise([commandLine("chmod", "-R", "go-rwx", home.path)]);
    findings.push({ id, severity: "warning", subject: open[0].path, seen, ...advice });
  }
  if (pipe !== undefined) {
    const seen = "it is a named pipe or a device: what reads it as a file may wait for ever";
    const advice = advise([commandLine("rm", pipe.path)]);
    findings.push({ id, severity: "problem", subject: pipe.path, seen, ...advice });
  }
  return findings;
}

/** The only pipe in a home is the one on which somebody waits to wake an agent. */
function isOutOfPlace(path: string, stats: Stats): boolean {
  if (stats.isFIFO()) return basename(path) !== "waiter";
  return stats.isCharacterDevice() || stats.isBlockDevice();
}

interface File {
  readonly path: string;
  readonly stats: Stats;
}

function filesOf(home: string): File[] {
  const names = readdirSync(home, { recursive: true, encoding: "utf8" });
  return names.slice(0, maxHomeEntries).flatMap((name) => {
    const path = join(home, name);
    try {
      return [{ path, stats: lstatSync(path) }];
    } catch (error) {
      // Removed just now.
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  });
}

/** The folders in which adapters and the hooks of their hosts meet. */
export function checkDoorbells({ home, hosts }: Evidence): Finding[] {
  const folder = join(home.path, "doorbells");
  if (home.state !== "usable" || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    return [];
  }
  const boxes = readdirSync(folder).map((name) => join(folder, name));
  return [...leftBehind(folder, boxes), ...unvisited(folder, boxes, hosts)];
}

function leftBehind(folder: string, boxes: readonly string[]): Finding[] {
  const left = boxes.filter(isLeft);
  if (left.length === 0) return [];
  const seen = `${count(left.length, "folder")} of agents that ended without a word`;
  const fix = "None is needed: the next agent removes them";
  return [{ id: "doorbells", severity: "note", subject: folder, seen, fix }];
}

/** Hooks are installed, and none was seen. A program between the host and its server may hide one from the other. */
function unvisited(folder: string, boxes: readonly string[], hosts: Evidence["hosts"]): Finding[] {
  const alone = boxes.filter(isUnvisited);
  const hooked = hosts.filter(({ hooks, plugin }) => hooks.length > 0 || plugin !== undefined);
  if (alone.length === 0 || hooked.length === 0) return [];
  const seen = `no hook has come to ${count(alone.length, "running agent")}: each hears of mail with its next call only, until its host's hooks tell of a turn`;
  const fix =
    "Prompt each agent once; where this stays, restart its program, and let its MCP server be started without a wrapper";
  return [{ id: "doorbells-unvisited", severity: "note", subject: folder, seen, fix }];
}

/** The files that prove to the broker who is which peer. */
export async function checkSecrets({ home, broker, nowMs }: Evidence): Promise<Finding[]> {
  if (home.state !== "usable") return [];
  const folder = join(home.path, "peers");
  const paths = namesIn(folder)
    .filter((name) => name.endsWith(".secret"))
    .map((name) => join(folder, name));
  const single = ["person.secret", "operator.token"]
    .map((name) => join(home.path, name))
    .filter((path) => existsSync(path));
  const findings: Finding[] = [];
  for (const path of [...single, ...paths.slice(0, maxSecrets)]) {
    if ((await readSecretFile(path)) !== undefined || isFresh(path, nowMs)) continue;
    const seen = "it holds no whole secret: it proves nothing to the broker any more";
    // Somebody may still know how it goes on.
    const advice = advise([commandLine("mv", path, asidePath(path))]);
    findings.push({ id: "secrets", severity: "warning", subject: path, seen, ...advice });
  }
  if (paths.length > maxSecrets) {
    const seen = `${count(paths.length, "secret")}, of which the newest ${maxSecrets} are used`;
    findings.push({ id: "secrets", severity: "warning", subject: folder, seen, ...thin(folder) });
  }
  const peers = broker.state === "running" ? broker.peers.length : paths.length;
  if (paths.length > peers) {
    const seen = `${count(paths.length, "secret")} for ${count(peers, "peer")}: ${paths.length - peers} or more are of peers that are gone, and do no harm`;
    findings.push({ id: "secrets", severity: "note", subject: folder, seen });
  }
  return findings;
}

/** Where there are no hard links, a secret has its name before its text. */
function isFresh(path: string, nowMs: number): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Math.abs(nowMs - stats.mtimeMs) < startClaimMs;
}

/** Sets the oldest aside, which are the proof of peers that may still have mail. */
function thin(folder: string) {
  const aside = asidePath(folder);
  const oldest = `ls -t -- *.secret | tail -n +${maxSecrets + 1}`;
  const move = `while IFS= read -r name; do mv -- "$name" ${quoted(`${aside}/`)}; done`;
  return advise([
    commandLine("mkdir", "-m", "700", aside),
    `(${commandLine("cd", folder)} && ${oldest} | ${move})`,
  ]);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
