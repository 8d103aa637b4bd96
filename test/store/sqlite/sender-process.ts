import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";
import { onTestFinished } from "vitest";
import { workerUrl } from "./built-worker.js";

/** A process that sends without end to the database at `path`, and the lines it prints. */
export class SenderProcess {
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessByStdio<null, Readable, null>) {
    this.#child = child;
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  static async start(
    path: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<SenderProcess> {
    const program = join(dirname(path), "sender.mjs");
    const input = fileURLToPath(new URL("sender.ts", import.meta.url));
    const bundle = await rolldown({ input, platform: "node" });
    const { output } = await bundle.write({ file: program, format: "esm" });
    await bundle.close();
    // The thread that serves the other agents loads no database: the worker does.
    if (output[0].imports.includes("libsql")) throw new Error("the calling side loads libsql");
    const child = spawn(process.execPath, [program, path, workerUrl.href], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    return new SenderProcess(child);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The next lines, up to and with the one that `isLast` says. */
  async linesUntil(isLast: (line: string, index: number) => boolean): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done === true) throw new Error("the process ended");
      lines.push(value);
      if (isLast(value, lines.length - 1)) return lines;
    }
  }

  /** Kills the process without warning; resolves to what it had printed by then and was not read. */
  async kill(): Promise<string[]> {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
    const lines: string[] = [];
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done === true) return lines;
      lines.push(value);
    }
  }
}

/** The ids of the messages that were accepted. */
export function acceptedIds(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^accepted (\S+)$/.exec(line)?.[1] ?? []);
}
