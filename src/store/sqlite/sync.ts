import { fsyncSync } from "node:fs";
import { withFile } from "./store-file.js";

/** Makes the file, or the names in a folder, survive a power cut. */
export function sync(path: string): void {
  withFile(path, "read", fsyncSync);
}
