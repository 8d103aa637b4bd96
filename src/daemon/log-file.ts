import { closeSync, fstatSync, renameSync, writeSync } from "node:fs";
import { openRegularFileForWriting } from "../endpoint/regular-file.js";

/**
 * A file of lines that is bounded. Before a line would make it larger than `maxBytes` it becomes
 * `path.1`, in place of the one before, and a new file is begun. Lines are written at once, so that the
 * last ones before a crash are there. A line that cannot be written is dropped: a broker does not end
 * because its log has no room.
 */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  #descriptor: number;
  #bytes: number;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#descriptor = openRegularFileForWriting(path, "append");
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#rotate();
      this.#bytes += writeSync(this.#descriptor, bytes);
    } catch {
      // No room, or no file any more: see above.
    }
  }

  /** Idempotent; what is written later is dropped. */
  [Symbol.dispose](): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #rotate(): void {
    renameSync(this.#path, `${this.#path}.1`);
    const successor = openRegularFileForWriting(this.#path, "append");
    closeSync(this.#descriptor);
    this.#descriptor = successor;
    this.#bytes = 0;
  }
}
