import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { AbortScope } from "../../../src/abort-scope.js";
import type { AgentStart } from "./host-program.js";
import { maxScreenWaitMs, pauseMs } from "./limits.js";

/** A program at a terminal, whose user reads and types. */
export class PseudoTerminal {
  readonly #child;
  readonly #changes = new EventEmitter();
  #output = "";
  #ended = false;

  constructor(command: readonly string[], { by, cwd, env }: AgentStart) {
    const line = `stty rows 50 cols 160; exec ${[...by, ...command].map(quote).join(" ")}`;
    // The program gets a session of its own from script, which ends it when it is ended itself.
    this.#child = spawn(script, ["-qfec", line, "/dev/null"], {
      cwd,
      env: { ...env, SHELL: "/bin/sh" },
      stdio: ["pipe", "pipe", "ignore"],
    });
    const decoder = new StringDecoder();
    this.#child.stdout.on("data", (chunk: Buffer) => {
      this.#output += decoder.write(chunk);
      this.#changes.emit("change");
    });
    this.#child.once("exit", () => {
      this.#ended = true;
      this.#changes.emit("change");
    });
    // It may end before it has read all.
    this.#child.stdin.on("error", () => {});
  }

  /** Waits until the text is written to the terminal, by now or later. */
  async shows(text: string): Promise<void> {
    using wait = new AbortScope([], maxScreenWaitMs);
    try {
      while (!written(this.#output).includes(text.replaceAll(/\s/g, ""))) {
        if (this.#ended) throw new Error("the program ended");
        await once(this.#changes, "change", { signal: wait.signal });
      }
    } catch (cause) {
      const screen = written(this.#output).slice(-2_000);
      throw new Error(`the terminal did not show "${text}" but: ${screen}`, { cause });
    }
  }

  /** Types a line: one that was not there before, and without characters that are commands to a host. */
  async type(line: string): Promise<void> {
    this.#child.stdin.write(line);
    await this.shows(line);
    // What comes with its end of line at once is taken for pasted, and not sent.
    await sleep(pauseMs);
    this.#child.stdin.write("\r");
  }

  get isOpen(): boolean {
    return !this.#ended;
  }

  /** Closes the terminal. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await ended;
  }
}

const script = "/usr/bin/script";

/** Why there is no terminal here; undefined where there is one. */
export const cannotOpen: string | undefined =
  process.platform === "linux" && existsSync(script)
    ? undefined
    : "a terminal is made by script(1) of util-linux";

function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** The text of terminal output: programs move the cursor where others write a space. */
function written(output: string): string {
  return output.replaceAll(controls, "").replaceAll(/\s/g, "");
}

const controls = new RegExp(
  String.raw`\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[@-Z\\-_=>])|[\u0000-\u0008\u000E-\u001F]`,
  "g",
);
