import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "@nats-io/nats-core";
import { makeNatsAccess, type NatsAccessFiles } from "./nats-access.js";
import { lastingPort, NatsServer, type NatsOptions } from "./nats-server.js";
import { eventually } from "./test-broker.js";

/** Starts real NATS servers that are one cluster; resolves when they keep streams together. */
export async function startNatsCluster(
  options: Omit<NatsOptions, "port" | "folder"> & { readonly size?: number } = {},
): Promise<NatsCluster> {
  const { size = 3, ...rest } = options;
  const folder = await mkdtemp(join(tmpdir(), "pl-nats-"));
  const access = await makeNatsAccess(folder, options);
  const ports = await Promise.all(Array.from({ length: size }, () => lastingPort()));
  const starts = ports.map(async (own, index) => {
    const name = `n${index + 1}`;
    const scratch = join(folder, name);
    await mkdir(scratch);
    const routes = [own, ...ports.filter((port) => port !== own)];
    return NatsServer.start({ ...rest, name, scratch, access, routes });
  });
  const started = await Promise.allSettled(starts);
  const members = started.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  const cluster = new NatsCluster(members, folder, access.client, access.files);
  try {
    for (const result of started) if (result.status === "rejected") throw result.reason;
    await cluster.waitReady();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** Several NATS servers that are one cluster. They end with this object. */
export class NatsCluster implements AsyncDisposable {
  readonly members: readonly NatsServer[];
  /** Where clients reach the members: at their relays, where they have some. */
  readonly urls: readonly string[];
  /** What a client connects with: all members, and what it has to show. */
  readonly clientOptions: ConnectionOptions;
  readonly files: NatsAccessFiles;
  readonly #folder: string;

  constructor(
    members: readonly NatsServer[],
    folder: string,
    client: ConnectionOptions,
    files: NatsAccessFiles,
  ) {
    this.members = members;
    this.urls = members.map(({ url }) => url);
    this.clientOptions = { ...client, servers: [...this.urls] };
    this.files = files;
    this.#folder = folder;
  }

  get version(): string {
    return this.members[0]?.version ?? "";
  }

  /** The member that decides on the order of a stream; waits for the end of an election. */
  async leaderOf(stream: string): Promise<NatsServer> {
    return eventually(async () => {
      const leaders = await Promise.all(this.#awake().map((member) => leaderOn(member, stream)));
      const leader = this.#awake().find(({ name }) => leaders.some((told) => told === name));
      if (leader === undefined) throw new Error(`the stream ${stream} has no leader`);
      return leader;
    });
  }

  /** Ends all of them at once, as a loss of power to all does; what the kernel holds is kept. */
  async killAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  /** Starts those again that do not run; resolves when all are ready. */
  async restartAll(): Promise<void> {
    const ended = this.members.filter((member) => !member.isRunning);
    await Promise.all(ended.map((member) => member.restart()));
    await this.waitReady();
  }

  /** Waits until those that can answer have chosen who decides, and are current in every stream that they keep. */
  async waitReady(): Promise<void> {
    await eventually(() =>
      Promise.all(
        this.#awake().map(async (member) => {
          const health = (await member.ask("/healthz")) as { status: string; error?: string };
          if (health.status !== "ok")
            throw new Error(`${member.name}: ${health.error ?? health.status}`);
        }),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #awake(): NatsServer[] {
    return this.members.filter((member) => member.isAwake);
  }
}

interface StreamsReport {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: { readonly leader?: string };
    }[];
  }[];
}

/** Which member a stream's leader is, by one that keeps a copy; undefined where it knows of none. */
async function leaderOn(member: NatsServer, stream: string): Promise<string | undefined> {
  const report = (await member.ask("/jsz?accounts=true&streams=true")) as StreamsReport;
  return report.account_details
    ?.flatMap(({ stream_detail: streams = [] }) => streams)
    .find(({ name }) => name === stream)?.cluster?.leader;
}
