import { randomUUID } from "node:crypto";
import { linkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../endpoint/errno.js";
import { fileSystemOf } from "../../endpoint/file-system.js";
import { storageTrouble } from "../../endpoint/storage-trouble.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Whether a file can be made in the home, and has hard links: those nothing needs, and other programs may. */
export function checkWriting({ home }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  const path = join(home.path, `doctor-${randomUUID()}`);
  try {
    writeFileSync(path, "x", { flag: "wx", mode: 0o600 });
  } catch (error) {
    const { what = "nothing can be written", mend = "Look at that path" } =
      storageTrouble(error) ?? {};
    return [{ id: "disk", severity: "problem", subject: home.path, seen: what, mend }];
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
