import { randomUUID } from "node:crypto";
import { linkSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, storageTrouble } from "../../endpoint/endpoint-error.js";
import { fileSystemOf, foreignHome } from "../../endpoint/file-system.js";
import { nearestFolder } from "./check-home.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { reserveBytes, scarceBytes } from "../limits.js";

/** The room on the home's disk, against what messages have to leave free. */
export function checkDisk({ home }: Pick<Evidence, "home">): Finding[] {
  const folder = nearestFolder(home.path);
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  return [judge(folder, bavail * bsize, files > 0 ? ffree : undefined)];
}

/** `freeFiles`: how many more files the disk takes; undefined where it has no such bound. */
export function judge(folder: string, freeBytes: number, freeFiles: number | undefined): Finding {
  const id = "disk";
  const free = `${Math.floor(freeBytes / 2 ** 20)} MiB are free`;
  const bound = `messages are refused below ${reserveBytes / 2 ** 20} MiB`;
  const fix = `Free some room: du -x -h -d 2 ${folder} | sort -h | tail`;
  if (freeFiles !== 0 && freeBytes >= scarceBytes) {
    return { id, severity: "ok", subject: folder, seen: free };
  }
  if (freeFiles !== 0 && freeBytes >= reserveBytes) {
    return { id, severity: "warning", subject: folder, seen: `${free}, and ${bound}`, fix };
  }
  const seen = freeFiles === 0 ? "the disk takes no more files" : `${free}: ${bound}`;
  return { id, severity: "problem", subject: folder, seen, fix };
}

/** Whether a broker may serve the home, by where it is. One that uses a broker elsewhere needs none. */
export function checkFileSystem({ home, config }: Evidence): Finding[] {
  if (home.state !== "usable" || !config.ownsBroker) return [];
  const trouble = foreignHome(home.path);
  if (trouble === undefined) return [];
  const { what, fix } = trouble;
  const seen = `it ${what}: no broker starts`;
  return [{ id: "home-foreign", severity: "problem", subject: home.path, seen, fix }];
}

/**
 * Whether a file can be made in the home, and can have hard links. Peerline can do without links; other programs may
 * not.
 */
export function checkWriting({ home }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  const path = join(home.path, `doctor-${randomUUID()}`);
  try {
    writeFileSync(path, "x", { flag: "wx", mode: 0o600 });
  } catch (error) {
    const { what = "nothing can be written", fix = "Look at that path" } =
      storageTrouble(error) ?? {};
    return [{ id: "disk", severity: "problem", subject: home.path, seen: what, fix }];
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
