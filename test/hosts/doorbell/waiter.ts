import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { constants, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { textOf } from "./text-of.js";

/** A script that waits for bells. */
export class Waiter implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #stderr: Promise<string>;
  readonly #end: Promise<unknown[]>;
  #stdout = "";

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#end = once(child, "exit");
    this.#stderr = textOf(child.stderr);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isEnded(): boolean {
    return this.#child.exitCode !== null;
  }

  async printed(text: string): Promise<void> {
    await until(() => this.#stdout.length >= text.length);
    expect(this.#stdout).toBe(text);
  }

  async ended() {
    const [code] = await this.#end;
    return { code: code as number | null, stderr: await this.#stderr };
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM") {
    this.#child.kill(signal);
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) await this.stop("SIGKILL");
  }
}

/** Writes to the pipe as an adapter does; false where nobody reads. */
export async function poke(box: string, text = "bell\n"): Promise<boolean> {
  try {
    await using pipe = await open(join(box, "waiter"), constants.O_WRONLY | constants.O_NONBLOCK);
    await pipe.write(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether this process has taken its place and reads the pipe. */
export async function isRead(box: string, pid: number | undefined): Promise<boolean> {
  if (readFileSync(join(box, "waiter.pid"), "utf8").trim() !== `${pid}`) return false;
  try {
    await (await open(join(box, "waiter"), constants.O_WRONLY | constants.O_NONBLOCK)).close();
    return true;
  } catch {
    return false;
  }
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 500) throw new Error("it did not come to be in 10 s");
    await sleep(20);
  }
}
