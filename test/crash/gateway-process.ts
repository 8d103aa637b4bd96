import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel, type Client } from "../../src/rpc/client.js";
import { lastingPort } from "../support/nats-server.js";
import { buildProgram } from "../support/build-program.js";
import { Relay } from "../support/relay.js";
import type { Progress } from "./progress.js";

/** What a gateway is to do. */
export interface GatewayTask {
  readonly socket: string;
  readonly name: string;
  readonly operatorToken: string;
  /** Of NATS, as `host:port`. */
  readonly servers: readonly string[];
  /** Whether it prints what it is told of trouble. */
  readonly tells: boolean;
}

/** Makes the program of `gateway.ts` in a folder; resolves to its path. */
export async function buildGateway(folder: string): Promise<string> {
  return buildProgram(new URL("gateway.ts", import.meta.url), folder);
}

/** A broker over a cluster of NATS servers, which it reaches by links of its own. */
export class GatewayProcess implements AsyncDisposable {
  readonly address: string;
  readonly name: string;
  readonly #program: string;
  readonly #task: GatewayTask;
  readonly #links: readonly Relay[];
  readonly #progress: Progress;
  #child: ChildProcess | undefined;

  static async start(options: {
    program: string;
    folder: string;
    name: string;
    operatorToken: string;
    /** Of the NATS servers. */
    ports: readonly number[];
    progress: Progress;
  }): Promise<GatewayProcess> {
    const { ports, name, folder, operatorToken } = options;
    const links = await Promise.all(
      ports.map(async (port) => {
        const own = await lastingPort();
        return { own, relay: await Relay.listen(own, { port, host: "127.0.0.1" }) };
      }),
    );
    const task = {
      socket: join(folder, `${name}.sock`),
      name,
      operatorToken,
      servers: links.map(({ own }) => `127.0.0.1:${own}`),
      tells: process.env["PEERLINE_CLUSTER_TELLS"] !== undefined,
    };
    const relays = links.map(({ relay }) => relay);
    const gateway = new GatewayProcess(options, task, relays);
    await gateway.restart();
    return gateway;
  }

  private constructor(
    { program, name, progress }: { program: string; name: string; progress: Progress },
    task: GatewayTask,
    links: readonly Relay[],
  ) {
    this.#program = program;
    this.name = name;
    this.#task = task;
    this.#links = links;
    this.#progress = progress;
    this.address = `unix:${task.socket}`;
  }

  /** SIGKILL; resolves when it is dead. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Starts it again; resolves once it has answered that it is ready, or was killed before that. */
  async restart(): Promise<void> {
    await rm(this.#task.socket, { force: true });
    const child = fork(this.#program, [JSON.stringify(this.#task)], {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child = child;
    child.once("exit", (code, signal) => {
      if (signal !== "SIGKILL") {
        this.#progress.fail(new Error(`${this.name} ended by itself: ${code ?? signal}`));
      }
    });
    await Promise.race([once(child, "message"), once(child, "exit")]);
  }

  stop(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Cuts its links to all servers of NATS: nothing passes, and nobody hears of it. */
  cut(): void {
    for (const link of this.#links) link.hold("asks", "answers");
  }

  heal(): void {
    for (const link of this.#links) link.hold();
  }

  /** Does something as the operator. */
  async asOperator<T>(run: (client: Client<typeof BrokerService>) => Promise<T>): Promise<T> {
    const channel = openChannel(this.address);
    try {
      const headers = () => ({ authorization: `Bearer ${this.#task.operatorToken}` });
      return await run(createClient(BrokerService, channel, { headers }));
    } finally {
      channel.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Promise.all(this.#links.map((link) => link[Symbol.asyncDispose]()));
  }
}
