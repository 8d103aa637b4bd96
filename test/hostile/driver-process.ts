import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { buildProgram } from "../support/build-program.js";
import { maxDriverKiB } from "./limits.js";

/** What a driver is to fire at, and with which seed. */
export interface DriverTask {
  /** Of the broker. */
  readonly home: string;
  readonly socket: string;
  /** The peers that hostile input acts as. */
  readonly targets: readonly { readonly name: string; readonly secret: string }[];
  readonly seed: number;
}

/** How many inputs it fires next, when it has fired those before. */
export interface ToDriver {
  readonly inputs: number;
}

/** What became of some of its inputs: how many ended in which way. */
export type Outcomes = Readonly<Record<string, number>>;

/** Makes the program of `driver.ts` in a folder; resolves to its path. */
export async function buildDriver(folder: string): Promise<string> {
  return await buildProgram(new URL("driver.ts", import.meta.url), folder);
}

/** A process that fires hostile calls and connections at a broker. */
export class DriverProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** Resolves to the signal that ended it, with what it said last, or to undefined when it was released. */
  readonly #ended: Promise<string | undefined>;
  #hear = (_outcomes: Outcomes): void => {};
  #lastWords = "";
  #fired = 0;
  #isReleased = false;

  constructor(program: string, task: DriverTask) {
    const driver = [process.execPath, "--max-old-space-size=1024", program, JSON.stringify(task)];
    this.#child = spawn("sh", ["-c", withMemory(maxDriverKiB), ...driver], {
      env: { PATH: process.env["PATH"], HOSTILE_STREAMS: process.env["HOSTILE_STREAMS"] },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.on("message", (outcomes: Outcomes) => this.#hear(outcomes));
    const { stderr } = this.#child;
    if (stderr === null) throw new Error("no stderr");
    stderr.on("data", (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString()).slice(-maxLastWords);
    });
    // After `disconnect` a child of Node 20 emits no "close".
    const exited = Promise.all([once(this.#child, "exit"), once(stderr, "close")]);
    this.#ended = exited.then(([[code, signal]]) => {
      if (code === 0 && this.#isReleased) return undefined;
      const words = this.#lastWords.trim();
      if (signal === null) throw new Error(`a driver process failed (exit code ${code}): ${words}`);
      const last = words.split("\n").at(-1)?.trim() ?? "";
      return last === "" ? signal : `${signal}: ${last}`;
    });
    this.#ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Inputs whose outcomes it has told. */
  get fired(): number {
    return this.#fired;
  }

  /** Resolves when so many more are fired; or, when a signal ended the process before, to what it died of. */
  async fire(inputs: number, onFired: (outcomes: Outcomes) => void): Promise<string | undefined> {
    const until = this.#fired + inputs;
    const fired = new Promise<undefined>((resolve) => {
      this.#hear = (outcomes) => {
        this.#fired += Object.values(outcomes).reduce((sum, count) => sum + count, 0);
        onFired(outcomes);
        if (this.#fired === until) resolve(undefined);
      };
    });
    // That it cannot be told any more is said by its end.
    this.#child.send({ inputs } satisfies ToDriver, () => undefined);
    return await Promise.race([fired, this.#ended]);
  }

  /** Lets it end by itself; resolves when it has, to the signal if one ended it after all. */
  async release(): Promise<string | undefined> {
    this.#isReleased = true;
    if (this.#child.connected) this.#child.disconnect();
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended.catch(() => undefined);
  }
}

/** A shell's script that becomes the program of its arguments, which can have no more memory than this. */
function withMemory(kib: number): string {
  return `ulimit -v ${kib} 2>/dev/null; exec "$0" "$@"`;
}

/** What is kept of a driver's standard error, in characters: the last of it tells what it died of. */
const maxLastWords = 2000;
