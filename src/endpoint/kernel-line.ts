import { readFileSync } from "node:fs";

/** The line, or the lines, that a file of `/proc` holds; undefined where there is none, as on other systems than Linux. */
export function readKernelLine(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return undefined;
  }
}
