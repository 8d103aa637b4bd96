import { chmod, readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { isTrouble, type Finding, type FindingId } from "../../src/cli/doctor/finding.js";
import { sha256 } from "../../src/hosts/config-files/backups.js";
import { program } from "../support/program.js";
import { AgentsMachine } from "./agents-machine.js";

/** A user's machine on which something is wrong, with a broker where a test starts one. */
export class DoctorMachine implements AsyncDisposable {
  readonly #machine: AgentsMachine;
  #ranBroker = false;
  readonly #owned: AsyncDisposable[] = [];

  private constructor(machine: AgentsMachine) {
    this.#machine = machine;
  }

  /** With these files, by their paths from the user's home directory. */
  static async make(files: Readonly<Record<string, string>> = {}): Promise<DoctorMachine> {
    return new DoctorMachine(await AgentsMachine.make(files));
  }

  /** Ends with the machine. */
  owns<T extends AsyncDisposable>(other: T): T {
    this.#owned.push(other);
    return other;
  }

  /** The user's home directory. */
  get home(): string {
    return this.#machine.home;
  }

  path(...names: string[]): string {
    return this.#machine.path(join(...names));
  }

  write(name: string, text: string): Promise<void> {
    return this.#machine.write(name, text);
  }

  read(name: string): Promise<string> {
    return this.#machine.read(name);
  }

  contents(): Promise<Record<string, string>> {
    return this.#machine.contents();
  }

  /** A program of this text in a folder of the search path. Returns its path. */
  async program(name: string, text: string): Promise<string> {
    await this.#machine.write(join("bin", name), text);
    await chmod(this.path("bin", name), 0o755);
    return this.path("bin", name);
  }

  /** Runs peerline in the project's directory. */
  async peerline(...args: string[]) {
    return this.#machine.peerline(...args);
  }

  /** Does what Codex does when its user trusts the hooks that it found. */
  async trustCodexHooks(): Promise<void> {
    const config = await readFile(this.path(".codex/config.toml"), "utf8");
    const { hooks } = JSON.parse(await readFile(this.path(".codex/hooks.json"), "utf8")) as {
      hooks: Record<string, [{ hooks: [{ command: string; timeout: number }] }]>;
    };
    const states = Object.entries(hooks).map(([event, [group]]) => {
      const name = event.replaceAll(/\B[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
      const [{ command, timeout }] = group.hooks;
      const hook = { async: false, command, timeout, type: "command" };
      const hash = sha256(JSON.stringify({ event_name: name, hooks: [hook] }));
      return `\n[hooks.state."${this.path(".codex/hooks.json")}:${name}:0:0"]\ntrusted_hash = "sha256:${hash}"\n`;
    });
    await this.write(".codex/config.toml", config + states.join(""));
  }

  /** Runs any program there. */
  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    return this.#machine.run(command, args, env);
  }

  /** Starts the home's broker as a person does; returns its process id. */
  async startBroker(): Promise<number> {
    this.#ranBroker = true;
    await this.#machine.peerline("read");
    const { stdout } = await this.#machine.peerline("status", "--json");
    return (JSON.parse(stdout) as { info: { pid: number } }).info.pid;
  }

  /** What a person reads, of a broker that is started for it. */
  async readMail(): Promise<string> {
    this.#ranBroker = true;
    return (await this.#machine.peerline("read")).stdout;
  }

  /** Sends a message to the person who sends it, by a broker that is started for it. */
  async sendToSelf(text: string, sender = program): Promise<void> {
    this.#ranBroker = true;
    const sent = await this.run(process.execPath, [sender, "send", userInfo().username, text]);
    expect(sent).toMatchObject({ code: 0 });
  }

  /** What the doctor, here of another installation where that is given, finds. Its exit code has to agree. */
  async findings(env: NodeJS.ProcessEnv = {}, asked = program): Promise<readonly Finding[]> {
    const { code, stdout, stderr } = await this.#machine.run(
      process.execPath,
      [asked, "doctor", "--json"],
      env,
    );
    expect(stderr).toBe("");
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    expect(code).toBe(findings.some(isTrouble) ? 1 : 0);
    return findings;
  }

  /** The one finding of this id. */
  async finding(id: FindingId, env: NodeJS.ProcessEnv = {}): Promise<Finding> {
    const findings = await this.findings(env);
    const found = findings.filter((finding) => finding.id === id);
    const [only] = found;
    if (only === undefined || found.length > 1) {
      throw new Error(`${found.length} findings of ${id}: ${JSON.stringify(findings, null, 1)}`);
    }
    return only;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ranBroker) await this.#machine.peerline("stop");
    for (const other of this.#owned) await other[Symbol.asyncDispose]();
    await this.#machine[Symbol.asyncDispose]();
  }
}

/** How the doctor calls this program's installation where it is not on the search path. */
export const install = `${process.execPath} ${program} install`;

/** What `install` writes, but for what differs between hosts. */
export const own = { command: process.execPath, args: [program, "mcp"] };

/** A file of Claude Code's, or of one that writes servers alike, with this one. */
export function claude(server: object): string {
  return JSON.stringify({ mcpServers: { peerline: server } });
}
