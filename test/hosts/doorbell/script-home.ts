import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { boxOfProcess } from "../../../src/hosts/doorbell/box-folder.js";
import { textOf } from "./text-of.js";
import { isRead, until, Waiter } from "./waiter.js";

/** A doorbell's line. */
export const line = "Peerline: 2 unread from backend, api. Call get_messages.";

/** The session of a host, and the process that stands for the host. */
export const session = "11916082-262c-4e5c-851b-94f00f83219c";
export const hostPid = process.pid;

/** The folder of an agent of Claude Code or Gemini CLI. */
export const ofProcess = boxOfProcess(hostPid);

/** What a hook does that has nothing to say. */
export const nothing = { code: 0, stdout: "", stderr: "" };

/** A home of Peerline's in a path with spaces, and the hooks of hosts that use it. */
export class Home implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "home with spaces");
  }

  static async make(): Promise<Home> {
    const home = new Home(await mkdtemp(join(tmpdir(), "pl-")));
    mkdirSync(join(home.path, "doorbells"), { recursive: true });
    return home;
  }

  box(key: string): string {
    const path = join(this.path, "doorbells", key);
    mkdirSync(path);
    return path;
  }

  hang(box: string): void {
    writeFileSync(join(box, "bell"), `${line}\n`);
  }

  /** Runs one hook to its end, with input as hosts write it. */
  async hook(host: string, event: string, options: HookOptions = {}) {
    const child = this.#start(host, event, hostPid, options, options.facts);
    const input = {
      session_id: options.session ?? session,
      transcript_path: "/x.jsonl",
      ...options.before,
      hook_event_name: event,
      ...options.after,
    };
    child.stdin.write(JSON.stringify(input));
    if (options.isLeftOpen !== true) child.stdin.end();
    const [stdout, stderr, [code]] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      once(child, "exit"),
    ]);
    child.stdin.destroy();
    return { code: code as number | null, stdout, stderr };
  }

  async waiter(task: "wait" | "rewake", host = hostPid): Promise<Waiter> {
    const env = { CLAUDE_CODE_ENTRYPOINT: "cli" };
    const child = this.#start("claude", task, host, { env });
    const waiter = new Waiter(child);
    const box = join(this.path, "doorbells", boxOfProcess(host));
    await until(() => existsSync(join(box, "waiter.pid")) && isRead(box, child.pid));
    return waiter;
  }

  #start(
    host: string,
    event: string,
    pid: number,
    options: HookOptions,
    facts: readonly string[] = [],
  ) {
    const child = spawn("sh", [script, host, event, `${pid}`, ...facts], {
      cwd: options.cwd ?? "/",
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: "/nonexistent",
        PEERLINE_HOME: options.home ?? this.path,
        CLAUDE_CODE_SESSION_ID: options.session ?? session,
        ...options.env,
      },
    });
    // A hook that does not read its input ends before it is written.
    child.stdin.on("error", () => {});
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export const script = resolve("src/hosts/doorbell/doorbell.sh");

interface HookOptions {
  readonly session?: string;
  readonly home?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Fields of the input before the event's name, and after it. */
  readonly before?: object;
  readonly after?: object;
  readonly isLeftOpen?: boolean;
  /** What an entry says beside its host's name. */
  readonly facts?: readonly string[];
}
