import { existsSync } from "node:fs";

/**
 * The directory that this process works in; undefined where it was removed, or cannot be told. Node throws
 * then, or names the one that it remembers, and so does `path.resolve` of a relative path. Nothing else
 * asks for it.
 */
export function workingDirectory(): string | undefined {
  try {
    const path = process.cwd();
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
