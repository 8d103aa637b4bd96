import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes the file, or the names in a folder, survive a power cut. */
export function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
