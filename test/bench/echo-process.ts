import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { programFile } from "./build.js";
import { TemporaryFolder } from "./temporary-folder.js";

/** The bare gRPC server, in a process of its own. */
export class EchoProcess implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #folder: TemporaryFolder;

  private constructor(child: ChildProcess, folder: TemporaryFolder, address: string) {
    this.#child = child;
    this.#folder = folder;
    this.address = address;
  }

  static async start(node: string): Promise<EchoProcess> {
    const folder = await TemporaryFolder.make();
    const address = `unix:${join(folder.path, "echo.sock")}`;
    const child = fork(programFile("echo-server"), [address], { execPath: node });
    const [sign] = await Promise.race([once(child, "message"), once(child, "exit")]);
    if (sign !== "listening") throw new Error("the echo server did not start");
    return new EchoProcess(child, folder, address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await ended;
    }
    await this.#folder[Symbol.asyncDispose]();
  }
}
