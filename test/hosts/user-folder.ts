import { lstat, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

/** A temporary folder, in which everything that is there can be compared. */
export class UserFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<UserFolder> {
    return new UserFolder(await mkdtemp(join(tmpdir(), "pl-")));
  }

  /** Every folder, file and link with its mode and, of a file, its text. */
  async contents(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const entries = await readdir(this.path, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const mode = ((await lstat(path)).mode & 0o777).toString(8);
      const text = entry.isFile() ? await readFile(path, "utf8") : entry.isDirectory() ? "/" : "->";
      found[relative(this.path, path)] = `${mode} ${text}`;
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
