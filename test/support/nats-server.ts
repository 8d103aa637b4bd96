import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ConnectionOptions } from "@nats-io/nats-core";
import {
  makeNatsAccess,
  quote,
  type NatsAccess,
  type NatsAccessFiles,
  type NatsAuthentication,
  type NatsTls,
} from "./nats-access.js";
import { natsServer, type NatsProgram } from "./nats-programs.js";
import { Relay } from "./relay.js";

/** How long a server may take to start, in milliseconds, on a machine that is busy. */
const startMs = 60_000;

export interface NatsOptions {
  /** Which one: see `natsServer`. */
  readonly version?: string;
  /** Where its streams are kept. By default a folder of its own, which goes with it. */
  readonly folder?: string;
  /** The port for clients: by default one that is free. */
  readonly port?: number;
  /** Whether it keeps streams: by default it does. */
  readonly jetstream?: boolean;
  /** Whether what it answers as stored was synced to the disk before. By default that comes later. */
  readonly syncsAlways?: boolean;
  /** The most that all streams together may keep, in bytes. By default what the disk has. */
  readonly maxStoredBytes?: number;
  readonly authentication?: NatsAuthentication;
  readonly tls?: NatsTls;
  /** Whether clients reach it through a relay, which can hold back what passes, as a link that is cut. */
  readonly isRelayed?: boolean;
  /** Further lines of its configuration. */
  readonly config?: string;
}

/** Starts a NATS server on 127.0.0.1; resolves when it takes clients. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), "pl-nats-"));
  try {
    const access = await makeNatsAccess(folder, options);
    return await NatsServer.start({ ...options, name: "n1", scratch: folder, access });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What a member of a cluster has besides. */
export interface NatsMemberOptions extends NatsOptions {
  readonly name: string;
  /** A folder that goes with the server. */
  readonly scratch: string;
  readonly access: NatsAccess;
  readonly routes?: NatsRoutes;
}

/** How a member and the others find each other: ports. */
export interface NatsRoutes {
  readonly own: number;
  /** Where it reaches the others. */
  readonly others: readonly number[];
  /** Whether they find each other in no other way: by themselves, members tell each other where the others are. */
  readonly isExclusive: boolean;
}

/**
 * A real NATS server. It ends with this object, and with the process that started it, however that ends. What it
 * stored is there when it starts again, on the same port.
 */
export class NatsServer implements AsyncDisposable {
  readonly name: string;
  readonly version: string;
  /** Where clients reach it: at the relay, where it has one. */
  readonly url: string;
  readonly port: number;
  /** Answers over HTTP what the server says of itself, such as `/healthz`. */
  readonly monitorUrl: string;
  /** Where its streams are kept. */
  readonly storeFolder: string;
  /** What a client connects with: where, and what it has to show. */
  readonly clientOptions: ConnectionOptions;
  readonly files: NatsAccessFiles;
  /** What it printed, the last lines of it. */
  readonly log: string[] = [];
  readonly #program: NatsProgram;
  readonly #configFile: string;
  readonly #scratch: string;
  readonly #relay: Relay | undefined;
  #child: ChildProcess | undefined;
  #isPaused = false;

  static async start(options: NatsMemberOptions): Promise<NatsServer> {
    const program = natsServer(options.version);
    const port = options.port ?? (await lastingPort());
    const monitorPort = await lastingPort();
    const relayPort = options.isRelayed === true ? await lastingPort() : undefined;
    const relay =
      relayPort === undefined
        ? undefined
        : await Relay.listen(relayPort, { port, host: "127.0.0.1" });
    const server = new NatsServer(options, program, { port, monitorPort, relayPort }, relay);
    try {
      await server.#run();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(
    options: NatsMemberOptions,
    program: NatsProgram,
    ports: { port: number; monitorPort: number; relayPort: number | undefined },
    relay: Relay | undefined,
  ) {
    this.name = options.name;
    this.version = program.version;
    this.port = ports.port;
    this.url = `nats://127.0.0.1:${ports.relayPort ?? ports.port}`;
    this.monitorUrl = `http://127.0.0.1:${ports.monitorPort}`;
    this.clientOptions = { ...options.access.client, servers: this.url };
    this.files = options.access.files;
    this.storeFolder = options.folder ?? join(options.scratch, options.name);
    mkdirSync(this.storeFolder, { recursive: true });
    this.#program = program;
    this.#scratch = options.scratch;
    this.#relay = relay;
    this.#configFile = join(options.scratch, `${options.name}.conf`);
    writeFileSync(this.#configFile, configOf(options, ports, this.storeFolder), { mode: 0o600 });
  }

  /** The process, while it runs. */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined || !this.isRunning)
      throw new Error(`the NATS server ${this.name} does not run`);
    return pid;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Whether it can answer. */
  get isAwake(): boolean {
    return this.isRunning && !this.#isPaused;
  }

  /** What clients pass through. */
  get relay(): Relay {
    if (this.#relay === undefined) throw new Error("the NATS server was started without a relay");
    return this.#relay;
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Lets it end in order. */
  async stop(): Promise<void> {
    if (this.isRunning) this.resume();
    await this.#end("SIGTERM");
  }

  /** Keeps it from running, and its connections open; resolves when all of its threads stand still. */
  async pause(): Promise<void> {
    process.kill(this.pid, "SIGSTOP");
    this.#isPaused = true;
    while (!standsStill(this.pid)) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  resume(): void {
    process.kill(this.pid, "SIGCONT");
    this.#isPaused = false;
  }

  /** Starts it again with what it stored; one that runs is stopped before. Resolves when it takes clients. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#run();
  }

  /** What it says of itself, such as of `/varz`. */
  async ask(path: string): Promise<unknown> {
    const response = await fetch(`${this.monitorUrl}${path}`);
    return response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#relay?.[Symbol.asyncDispose]();
    await rm(this.#scratch, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    const [command, ...args] = untilParentEnds(this.#program.path, "--config", this.#configFile);
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    this.#isPaused = false;
    const giveUp = setTimeout(() => child.kill("SIGKILL"), startMs);
    try {
      await new Promise<void>((resolve, reject) => {
        child.once("error", reject);
        child.once("exit", () => {
          reject(new Error(`the NATS server ${this.name} ended:\n${this.log.join("\n")}`));
        });
        createInterface({ input: child.stderr }).on("line", (line) => {
          this.log.push(line);
          if (this.log.length > 200) this.log.shift();
          if (line.includes("Server is ready")) resolve();
        });
      });
    } finally {
      clearTimeout(giveUp);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child === undefined || !this.isRunning) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }
}

/** A command that the kernel kills when the process ends that runs it; on Linux only. */
function untilParentEnds(...command: [string, ...string[]]): [string, ...string[]] {
  return process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL", ...command] : command;
}

/** Whether the kernel has stopped every thread of a process; on Linux only, elsewhere it is taken as done. */
function standsStill(pid: number): boolean {
  if (process.platform !== "linux") return true;
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8")),
  );
}

function configOf(
  options: NatsMemberOptions,
  {
    port,
    monitorPort,
    relayPort,
  }: { port: number; monitorPort: number; relayPort: number | undefined },
  storeFolder: string,
): string {
  const { jetstream = true, syncsAlways = false, maxStoredBytes, routes } = options;
  const store = [
    `store_dir: ${quote(storeFolder)}`,
    ...(maxStoredBytes === undefined ? [] : [`max_file_store: ${maxStoredBytes}`]),
    ...(syncsAlways ? ["sync_interval: always"] : []),
  ];
  return [
    `server_name: ${options.name}`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    // Clients learn from one member where the others are.
    `client_advertise: "127.0.0.1:${relayPort ?? port}"`,
    ...(jetstream ? [`jetstream { ${store.join(", ")} }`] : []),
    ...(routes === undefined ? [] : [routing(routes)]),
    ...options.access.lines,
    options.config ?? "",
    "",
  ].join("\n");
}

function routing({ own, others, isExclusive }: NatsRoutes): string {
  const urls = others.map((port) => quote(`nats://127.0.0.1:${port}`)).join(", ");
  // Nobody listens there.
  const advertise = isExclusive ? ', advertise: "127.0.0.1:1"' : "";
  return `cluster { name: tests, listen: "127.0.0.1:${own}", routes: [${urls}]${advertise} }`;
}

const taken = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that nothing listens on now, below those that the kernel gives to connections. So
 * it is still free when a server that was killed starts again.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (taken.has(port)) continue;
    taken.add(port);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
