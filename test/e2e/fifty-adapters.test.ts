import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Peer } from "../../gen/peerline/v1/peer_pb.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { initialize, initialized } from "../mcp/raw-agent.js";
import { program } from "../support/program.js";
import { eventually } from "../support/test-broker.js";

let home: string;
const adapters: ChildProcess[] = [];

beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "pl-"))));
afterEach(async () => {
  for (const adapter of adapters.splice(0)) adapter.kill("SIGKILL");
  for (const pid of brokersOf(home)) terminate(pid);
  await eventually(() => expect(brokersOf(home)).toEqual([]));
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
});

function terminate(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has ended meanwhile.
  }
}

/** Starts `peerline mcp` as a host does: pipes, and the beginning of the MCP handshake. */
function startAdapter(environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home, ...environment };
  const adapter = spawn(process.execPath, [program, "mcp"], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  adapter.stdin?.on("error", () => undefined);
  for (const message of [initialize, initialized]) {
    adapter.stdin?.write(`${JSON.stringify(message)}\n`);
  }
  adapters.push(adapter);
  return adapter;
}

async function listPeers(): Promise<Peer[]> {
  const token = (await readFile(join(home, "operator.token"), "utf8")).trim();
  const channel = openChannel(`unix:${join(home, "broker.sock")}`);
  try {
    const client = createClient(BrokerService, channel, {
      headers: () => ({ authorization: `Bearer ${token}` }),
    });
    return (await client.listPeers({}, { timeoutMs: 2000 })).peers;
  } finally {
    channel.close();
  }
}

function brokersOf(path: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
        return command.includes("broker") && environment.includes(`PEERLINE_HOME=${path}`);
      } catch {
        return false;
      }
    });
}

test("fifty adapters at once in an empty home: one broker, fifty peers; killed, they are offline within seconds", async () => {
  for (let index = 0; index < 50; index++) startAdapter();
  await eventually(async () => {
    const peers = await listPeers();
    expect(peers.filter((peer) => peer.online)).toHaveLength(50);
    expect(new Set(peers.map((peer) => peer.name)).size).toBe(50);
  }, 60_000);
  expect(brokersOf(home)).toHaveLength(1);
  for (const adapter of adapters) adapter.kill("SIGKILL");
  await eventually(async () => {
    const peers = await listPeers();
    expect(peers).toHaveLength(50);
    expect(peers.filter((peer) => peer.online)).toEqual([]);
  }, 20_000);
});

test("two live adapters of one name are x and x-2, and the name comes back with its process", async () => {
  const first = startAdapter({ PEERLINE_NAME: "x" });
  await eventually(async () => expect((await listPeers()).map(({ name }) => name)).toEqual(["x"]));
  startAdapter({ PEERLINE_NAME: "x" });
  await eventually(async () =>
    expect((await listPeers()).map(({ name }) => name).toSorted()).toEqual(["x", "x-2"]),
  );
  first.kill("SIGKILL");
  await eventually(async () => {
    const online = (await listPeers()).filter((peer) => peer.online);
    expect(online.map(({ name }) => name)).toEqual(["x-2"]);
  });
  startAdapter({ PEERLINE_NAME: "x" });
  await eventually(async () => {
    const online = (await listPeers()).filter((peer) => peer.online);
    expect(online.map(({ name }) => name).toSorted()).toEqual(["x", "x-2"]);
  });
});
