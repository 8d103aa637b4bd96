import { join } from "node:path";
import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { machineHeader } from "../../src/contract/machines.js";
import { createClient, openChannel, type Client } from "../../src/rpc/client.js";
import { freePort } from "../rpc/free-port.js";
import { program, run } from "../support/program.js";
import { TestHome } from "../mcp/test-home.js";

/** A home whose broker other homes use over TLS, on a loopback address of its own. */
export class SharedHome extends TestHome {
  address = "";

  static override async open(): Promise<SharedHome> {
    const { path } = await TestHome.open();
    return new SharedHome(path);
  }

  /** Shares the broker, and resolves to the line with which another machine joins. */
  async share(...options: string[]): Promise<string> {
    if (this.address === "") this.address = `127.0.0.1:${await freePort()}`;
    const { stdout } = await this.command("share", "--listen", this.address, ...options);
    const line = /'(.*)'/.exec(stdout)?.[1];
    if (line === undefined) throw new Error(`no line: ${stdout}`);
    return line;
  }

  /** Runs a command of this home, which has to succeed. */
  async command(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    return commandOf(this.path, ...args);
  }

  /** What a machine with this credential does over TLS; without one, what anybody does. */
  remote(
    options: { credential?: string | undefined; token?: string; address?: string } = {},
  ): RemoteClient {
    const { credential, token, address = this.address } = options;
    const headers = credential === undefined ? {} : { [machineHeader]: credential };
    const channel = openChannel(address, { ca: this.ca, headers });
    const bearer: Record<string, string> =
      token === undefined ? {} : { authorization: `Bearer ${token}` };
    const client = createClient(BrokerService, channel, { headers: () => bearer });
    return { client, [Symbol.dispose]: () => channel.close() };
  }

  get ca(): string {
    const text = readFileSync(join(this.path, "tls/ca.pem"), "utf8");
    return /-----BEGIN CERTIFICATE-----[\s\S]*/.exec(text)?.[0] ?? "";
  }
}

/** Two homes for the test that runs: one to share its broker, and one to join it. */
export async function openTwoHomes(): Promise<{ laptop: SharedHome; desktop: TestHome }> {
  const laptop = await SharedHome.open();
  const desktop = await TestHome.open();
  onTestFinished(async () => {
    await desktop[Symbol.asyncDispose]();
    await laptop[Symbol.asyncDispose]();
  });
  return { laptop, desktop };
}

export interface RemoteClient extends Disposable {
  readonly client: Client<typeof BrokerService>;
}

/** The credential that a home keeps which has joined. */
export function credentialOf(home: TestHome): string {
  const kept = JSON.parse(readFileSync(join(home.path, "joined.json"), "utf8")) as {
    credential: string;
  };
  return kept.credential;
}

export async function commandOf(
  home: string,
  ...args: string[]
): Promise<{ stdout: string; stderr: string }> {
  const { code, ...output } = await tryCommand(home, ...args);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${output.stderr}`);
  return output;
}

export async function tryCommand(home: string, ...args: string[]): ReturnType<typeof run> {
  const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home };
  return run(process.execPath, [program, ...args], env);
}
