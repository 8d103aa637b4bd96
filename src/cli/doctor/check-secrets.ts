import { readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../endpoint/errno.js";
import { maxSecrets } from "../../endpoint/limits.js";
import { readSecretFile } from "../../endpoint/secret-file.js";
import { count } from "../receipt-words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { commandLine } from "./quoted.js";

/** The files that prove to the broker who is which peer. */
export async function checkSecrets({ home, broker }: Evidence): Promise<Finding[]> {
  if (home.state !== "usable") return [];
  const folder = join(home.path, "peers");
  const paths = namesIn(folder)
    .filter((name) => name.endsWith(".secret"))
    .map((name) => join(folder, name));
  const findings: Finding[] = [];
  for (const path of paths.slice(0, maxSecrets)) {
    if ((await readSecretFile(path)) !== undefined) continue;
    const seen = "it holds no whole secret: its peer cannot be taken up again";
    const mend = commandLine("rm", path);
    findings.push({ id: "secrets", severity: "warning", subject: path, seen, mend });
  }
  if (paths.length > maxSecrets) {
    const seen = `${count(paths.length, "secret")}, of which the newest ${maxSecrets} are used`;
    const mend = `Remove the oldest ones: ls -t ${folder}`;
    findings.push({ id: "secrets", severity: "warning", subject: folder, seen, mend });
  }
  const peers = broker.state === "running" ? broker.peers.length : paths.length;
  if (paths.length > peers) {
    const seen = `${count(paths.length, "secret")} for ${count(peers, "peer")}: ${paths.length - peers} or more are of peers that are gone, and do no harm`;
    findings.push({ id: "secrets", severity: "note", subject: folder, seen });
  }
  return findings;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
