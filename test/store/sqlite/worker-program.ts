import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** A worker for the database at `path` that is this program. */
export function workerProgram(path: string, source: string): URL {
  const file = join(dirname(path), "worker.mjs");
  writeFileSync(file, source);
  return pathToFileURL(file);
}
