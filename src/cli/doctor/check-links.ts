import { randomUUID } from "node:crypto";
import { linkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../endpoint/errno.js";
import { fileSystemOf } from "../../endpoint/file-system.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Whether the home's file system has hard links. Nothing needs them, and other programs may. */
export function checkLinks({ home }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  const path = join(home.path, `doctor-${randomUUID()}`);
  try {
    writeFileSync(path, "", { mode: 0o600 });
  } catch {
    // Where nothing can be written, the broker and the disk say why.
    return [];
  }
  try {
    linkSync(path, `${path}.link`);
    return [];
  } catch (error) {
    const name = fileSystemOf(home.path);
    const seen = `its file system${name === "" ? "" : ` (${name})`} refuses hard links (${errnoOf(error)}): new files get their names in two steps`;
    return [{ id: "links-refused", severity: "note", subject: home.path, seen }];
  } finally {
    for (const made of [path, `${path}.link`]) rmSync(made, { force: true });
  }
}
