import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "@nats-io/nats-core";
import { makeNatsAccess, type NatsAccess, type NatsAccessFiles } from "./nats-access.js";
import { lastingPort, NatsServer, type NatsOptions } from "./nats-server.js";
import { Relay } from "./relay.js";
import { eventually } from "./eventually.js";

export interface NatsClusterOptions extends Omit<NatsOptions, "port" | "folder"> {
  /** How many members: by default three. */
  readonly size?: number;
  /** Whether the links between members can be cut: see `isolate`. */
  readonly isDivisible?: boolean;
}

/** Starts real NATS servers that are one cluster; resolves when they keep streams together. */
export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const { size = 3, isDivisible = false, ...rest } = options;
  const folder = await mkdtemp(join(tmpdir(), "pl-nats-"));
  const access = await makeNatsAccess(folder, options);
  const ports = await Promise.all(Array.from({ length: size }, () => lastingPort()));
  const links = isDivisible ? await layLinks(ports) : [];
  const starts = ports.map(async (own, index) => {
    const name = `n${index + 1}`;
    const scratch = join(folder, name);
    await mkdir(scratch);
    const others = isDivisible
      ? links.filter(({ from }) => from === index).map(({ port }) => port)
      : ports;
    const routes = { own, others, isExclusive: isDivisible };
    return NatsServer.start({ ...rest, name, scratch, access, routes });
  });
  const started = await Promise.allSettled(starts);
  const members = started.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  const cluster = new NatsCluster(members, { folder, links, ...access });
  try {
    for (const result of started) if (result.status === "rejected") throw result.reason;
    await cluster.waitReady();
    await cluster.waitWhole();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** A relay by which one member reaches another; both by their places. */
interface Link {
  readonly from: number;
  readonly to: number;
  readonly port: number;
  readonly relay: Relay;
}

/** One for each member to each other one, at these ports. */
async function layLinks(ports: readonly number[]): Promise<Link[]> {
  const pairs = ports.flatMap((_, from) => ports.map((target, to) => ({ from, to, target })));
  return Promise.all(
    pairs
      .filter(({ from, to }) => from !== to)
      .map(async ({ from, to, target }) => {
        const port = await lastingPort();
        const relay = await Relay.listen(port, { port: target, host: "127.0.0.1" });
        return { from, to, port, relay };
      }),
  );
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
  readonly #links: readonly Link[];

  constructor(
    members: readonly NatsServer[],
    parts: Omit<NatsAccess, "lines"> & { readonly folder: string; readonly links: readonly Link[] },
  ) {
    this.members = members;
    this.urls = members.map(({ url }) => url);
    this.clientOptions = { ...parts.client, servers: [...this.urls] };
    this.files = parts.files;
    this.#folder = parts.folder;
    this.#links = parts.links;
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

  /** Cuts the links of a member to all others: nothing passes, and nobody hears of it. Its clients still reach it. */
  isolate(member: NatsServer): void {
    if (this.#links.length === 0) throw new Error("the cluster was started without isDivisible");
    const place = this.members.indexOf(member);
    for (const { from, to, relay } of this.#links) {
      if (from === place || to === place) relay.hold("asks", "answers");
    }
  }

  /** Lets all pass again that was held back, and what follows. */
  heal(): void {
    for (const { relay } of this.#links) relay.hold();
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

  /**
   * Waits until all members take part in the choice of who decides. When they start together, now and then the
   * last one is left out, for good, and no stream can be on all of them. Such a member is started again.
   */
  async waitWhole(): Promise<void> {
    for (;;) {
      const startedMs = Date.now();
      const left = await eventually(async () => {
        const { known, current } = await this.#takingPart();
        const missing = this.members.filter(({ name }) => !known.includes(name));
        // It may just be coming.
        const isPatient = Date.now() - startedMs < 2000;
        if (known.length === 0 || current < known.length || (missing.length > 0 && isPatient)) {
          throw new Error(`only ${current} of ${this.members.length} members take part`);
        }
        return missing;
      });
      if (left.length === 0) return;
      await Promise.all(left.map((member) => member.restart()));
      await this.waitReady();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await Promise.all(this.#links.map(({ relay }) => relay[Symbol.asyncDispose]()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Whom the one that decides knows, itself among them, and how many of these are current; none while nobody decides. */
  async #takingPart(): Promise<{ known: string[]; current: number }> {
    const reports = await Promise.all(
      this.#awake().map(async (member) => {
        const { meta_cluster: meta } = (await member.ask("/jsz")) as MetaReport;
        return meta?.leader === member.name ? meta : undefined;
      }),
    );
    const { leader, replicas = [] } = reports.find((report) => report !== undefined) ?? {};
    if (leader === undefined) return { known: [], current: 0 };
    const current = replicas.filter((replica) => replica.current && replica.offline !== true);
    return { known: [leader, ...replicas.map(({ name }) => name)], current: current.length + 1 };
  }

  #awake(): NatsServer[] {
    return this.members.filter((member) => member.isAwake);
  }
}

interface MetaReport {
  readonly meta_cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
    }[];
  };
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
