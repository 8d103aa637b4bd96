import { realpathSync } from "node:fs";
import { readKernelLine } from "./process-stamp.js";

/** The file system that a path is on, for people: `nfs4`; empty where the system does not tell. */
export function fileSystemOf(path: string): string {
  try {
    return typeAt(realpathSync(path), readKernelLine("/proc/self/mountinfo") ?? "");
  } catch {
    // There is no such path.
    return "";
  }
}

/** Of the mounts that a path lies in the innermost counts, and of those in one place the last. */
export function typeAt(path: string, mounts: string): string {
  let innermost = { place: "", type: "" };
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const place = unescape(before.split(" ")[4] ?? "");
    const isAround = path === place || path.startsWith(place === "/" ? "/" : `${place}/`);
    if (place === "" || !isAround || place.length < innermost.place.length) continue;
    innermost = { place, type: after.split(" ")[0] ?? "" };
  }
  return innermost.type;
}

/** Spaces and the like stand there as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
