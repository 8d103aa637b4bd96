import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder of the project. */
export const root = join(import.meta.dirname, "../..");

/** Files of the project, by their paths from its root; not what is generated, built or installed. */
export function projectFiles(pattern: RegExp, folder = ""): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return /^(node_modules|dist|gen|\.git)$/.test(entry.name) ? [] : projectFiles(pattern, path);
    }
    return pattern.test(entry.name) ? [path] : [];
  });
}

/** The text of a file of the project, by its path from the root. */
export function readProjectFile(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
