import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserFolder } from "../hosts/user-folder.js";
import { program, run } from "../support/program.js";

/** A user's home, with the configuration of some agents, and a project in it. */
export class AgentsMachine implements AsyncDisposable {
  readonly #folder: UserFolder;

  private constructor(folder: UserFolder) {
    this.#folder = folder;
  }

  /** With these files, by their paths from the home. */
  static async make(files: Readonly<Record<string, string>> = {}): Promise<AgentsMachine> {
    const machine = new AgentsMachine(await UserFolder.make());
    await mkdir(machine.path("shop"));
    // Made here, so that what is compared later does not differ by it.
    await mkdir(machine.path(".peerline"), { mode: 0o700 });
    for (const [name, text] of Object.entries(files)) await machine.write(name, text);
    return machine;
  }

  get home(): string {
    return this.#folder.path;
  }

  path(name: string): string {
    return join(this.home, name);
  }

  read(name: string): Promise<string> {
    return readFile(this.path(name), "utf8");
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true });
    await writeFile(this.path(name), text);
  }

  contents(): Promise<Record<string, string>> {
    return this.#folder.contents();
  }

  /** A program of this name is on the search path. */
  async addProgram(name: string): Promise<void> {
    await this.write(join("bin", name), "#!/bin/sh\n");
    await chmod(this.path(join("bin", name)), 0o755);
  }

  /** Runs peerline in the project's directory. */
  async peerline(...args: string[]) {
    return this.run(process.execPath, [program, ...args]);
  }

  async run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const inProject = ["-c", 'cd "$0" && exec "$@"', this.path("shop"), command, ...args];
    return run("/bin/sh", inProject, { PATH: this.path("bin"), HOME: this.home, ...env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
