import { statfsSync } from "node:fs";
import { nearestFolder } from "./home-view.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { reserveBytes, scarceBytes } from "./limits.js";

/** The room on the home's disk, against what messages have to leave free. */
export function checkDisk({ home }: Pick<Evidence, "home">): Finding[] {
  const folder = nearestFolder(home.path);
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  return [judge(folder, bavail * bsize, files > 0 ? ffree : undefined)];
}

/** `freeFiles`: how many more files the disk takes; undefined where it has no such bound. */
export function judge(folder: string, freeBytes: number, freeFiles: number | undefined): Finding {
  const free = `${Math.floor(freeBytes / 2 ** 20)} MiB are free`;
  const mend = `Free some room: du -x -h -d 2 ${folder} | sort -h | tail`;
  if (freeFiles === 0) {
    const seen = "the disk takes no more files";
    return { id: "disk", severity: "problem", subject: folder, seen, mend };
  }
  if (freeBytes < reserveBytes) {
    const seen = `${free}: messages are refused below ${reserveBytes / 2 ** 20} MiB`;
    return { id: "disk", severity: "problem", subject: folder, seen, mend };
  }
  if (freeBytes < scarceBytes) {
    const seen = `${free}, and messages are refused below ${reserveBytes / 2 ** 20} MiB`;
    return { id: "disk", severity: "warning", subject: folder, seen, mend };
  }
  return { id: "disk", severity: "ok", subject: folder, seen: free };
}
