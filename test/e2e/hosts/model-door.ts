import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import type { LinkEnd } from "../../support/virtual-link.js";

/** Lets hosts of another network reach a scripted model on their own loopback: a socket in the file system leads out. */
export class ModelDoor implements AsyncDisposable {
  readonly by: readonly string[];
  readonly modelUrl: string;
  readonly #folder: string;
  readonly #outside: Server;
  readonly #inside: ChildProcess;

  static async open(model: ScriptedModel, { by }: LinkEnd): Promise<ModelDoor> {
    const folder = await mkdtemp(join(tmpdir(), "pl-"));
    const path = join(folder, "model.sock");
    const port = Number(new URL(model.url).port);
    const outside = createServer((socket) => {
      const other = connect(port, "127.0.0.1");
      socket.pipe(other).pipe(socket);
      for (const end of [socket, other]) end.on("error", () => undefined);
    });
    await once(outside.listen(path), "listening");
    const [command = "", ...words] = by;
    const inside = spawn(command, [...words, process.execPath, "-e", insideProgram, path], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = (await once(inside.stdout, "data")) as [Buffer];
    return new ModelDoor({ by, folder, outside, inside, port: Number(line.toString()) });
  }

  private constructor(parts: {
    by: readonly string[];
    folder: string;
    outside: Server;
    inside: ChildProcess;
    port: number;
  }) {
    this.by = parts.by;
    this.modelUrl = `http://127.0.0.1:${parts.port}`;
    this.#folder = parts.folder;
    this.#outside = parts.outside;
    this.#inside = parts.inside;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#inside, "exit");
    this.#inside.stdin?.end();
    await ended;
    await new Promise<void>((resolve) => this.#outside.close(() => resolve()));
    await rm(this.#folder, { recursive: true });
  }
}

/** Ends with its input. */
const insideProgram = `
  const { connect, createServer } = require("node:net");
  const server = createServer((socket) => {
    const other = connect(process.argv[1]);
    socket.pipe(other).pipe(socket);
    for (const end of [socket, other]) end.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
  process.stdin.on("end", () => process.exit()).resume();
`;
