import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../endpoint/endpoint-error.js";
import { maxSecrets, startClaimMs } from "../../endpoint/limits.js";
import { readSecretFile } from "../../endpoint/secrets.js";
import { count } from "../print/words.js";
import { advise, asidePath, commandLine, quoted } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

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
