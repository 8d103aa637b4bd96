import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel, type Channel, type Client } from "../../src/rpc/client.js";
import { program } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";

/** The built broker, run for one home; it ends with the test at the latest. */
export class BrokerProcess {
  readonly #home: string;
  readonly #child: ChildProcessByStdio<null, null, Readable>;

  private constructor(home: string, environment: Readonly<Record<string, string>>) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build"`);
    this.#home = home;
    this.#child = spawn(process.execPath, [program, "broker"], {
      env: { PATH: process.env["PATH"], PEERLINE_HOME: home, ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    onTestFinished(async () => void (await this.end("SIGKILL")));
  }

  /** Resolves when it listens. */
  static async start(
    home: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<BrokerProcess> {
    const broker = new BrokerProcess(home, environment);
    const said: string[] = [];
    for await (const line of createInterface(broker.#child.stderr)) {
      said.push(line);
      if (line.includes(" serves ")) return broker;
    }
    throw new Error(`the broker did not start: ${said.join("\n")}`);
  }

  /** Whether it has not ended. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** A connection of its own; closed with the test. */
  connect(): Channel {
    const channel = openChannel(`unix:${join(this.#home, "broker.sock")}`);
    onTestFinished(() => channel.close());
    return channel;
  }

  /** Registers a new peer on a connection of its own. */
  async join(name: string): Promise<Client<typeof BrokerService>> {
    const channel = this.connect();
    let token = "";
    const client = createClient(BrokerService, channel, {
      headers: () => (token === "" ? {} : { authorization: `Bearer ${token}` }),
    });
    const { sessionToken } = await client.register({ secret: newSecret(), name });
    token = sessionToken;
    return client;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it and resolves to its exit code; null when a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.isRunning) {
      this.#child.kill(signal);
      await once(this.#child, "exit");
    }
    return this.#child.exitCode;
  }
}
