import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/**
 * A port on 127.0.0.1 that answers no attempt to connect, as a machine behind a cut cable. Its queue is full, so that
 * Linux drops what comes.
 */
export class SilentPort implements AsyncDisposable {
  readonly port: number;
  readonly #holder: ChildProcess;
  readonly #waiting: readonly Socket[];

  static async open(): Promise<SilentPort> {
    const holder = spawn(process.execPath, ["-e", deaf], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(holder.stdout, "data")) as [Buffer];
    const port = Number(line.toString());
    const waiting = Array.from({ length: 8 }, () => connect(port, "127.0.0.1"));
    for (const socket of waiting) socket.on("error", () => {});
    await Promise.race(waiting.map((socket) => once(socket, "connect")));
    return new SilentPort(port, holder, waiting);
  }

  private constructor(port: number, holder: ChildProcess, waiting: readonly Socket[]) {
    this.port = port;
    this.#holder = holder;
    this.#waiting = waiting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    const ended = once(this.#holder, "exit");
    this.#holder.kill("SIGKILL");
    await ended;
  }
}

/** Listens with room for one, and then does nothing more. */
const deaf = `
  const server = require("node:net").createServer();
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    require("node:fs").writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;
