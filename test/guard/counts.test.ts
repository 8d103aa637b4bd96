import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { BrokerService, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { type Channel, type Client, createClient, openChannel } from "../../src/rpc/client.js";
import { readWal } from "../../src/store/sqlite/damage/wal.js";
import { Agent } from "../mcp/agent.js";
import { initialize, RawAgent } from "../mcp/raw-agent.js";
import { cannotRead, readProcess } from "../support/process-reading.js";
import { program, startBrokerHome, type BrokerHome } from "../support/program.js";
import { eventually, newSecret } from "../support/test-broker.js";
import { CountingProxy } from "./counting-proxy.js";

/**
 * What the product costs, in counts that do not depend on how fast or busy the machine is. Each bound is a
 * little above what is measured, so that a change which costs more is seen. Who makes it cheaper lowers it.
 */
describe("what is loaded", () => {
  test("an agent's process answers its host before it loads what needs a broker", async () => {
    const loaded = await loadedFiles((agent) => agent.write(initialize));
    expect(loaded.files.length).toBeLessThanOrEqual(4);
    expect(loaded.bytes).toBeLessThan(190_000);
  });

  test("a broker loads no command line, and nothing that is for agents alone", async () => {
    const loaded = await filesLoadedBy(async (env) => {
      const home = await startBrokerHome({ env });
      await home[Symbol.asyncDispose]();
    });
    expect(loaded.bytes).toBeLessThan(835_000);
    const all = loaded.files.map((file) => readFileSync(file, "utf8")).join("");
    // What each says somewhere: zod, the SDK of MCP, the hosts, the command line, and the client of NATS.
    const others = ["invalid_union", "tools/list", "claude-code", "outputError", "$JS.API"];
    for (const words of others) {
      expect(all).not.toContain(words);
    }
  });

  test("V8 holds each of the program's files with one byte for a character", () => {
    const folder = dirname(program);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const scripts = files.filter((name) => name.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(3);
    const wide = scripts.filter((name) =>
      /[^\0-\xff]/.test(readFileSync(join(folder, name), "utf8")),
    );
    expect(wide).toEqual([]);
  });

  test("all that it ever needs is a few files more", async () => {
    const loaded = await loadedFiles((agent) => {
      agent.write(initialize, { jsonrpc: "2.0", id: 2, method: "tools/list" });
    });
    expect(loaded.files.length).toBeLessThanOrEqual(8);
    expect(loaded.bytes).toBeLessThan(720_000);
  });
});

describe("what a message costs", () => {
  let home: BrokerHome;
  let sending: CountingProxy;
  let reading: CountingProxy;
  let sender: Agent;
  let reader: Agent;

  beforeEach(async () => {
    home = await startBrokerHome();
    sending = await CountingProxy.start(home.socket, join(home.path, "sending.sock"));
    reading = await CountingProxy.start(home.socket, join(home.path, "reading.sock"));
    [sender, reader] = await Promise.all([start("sender", sending), start("reader", reading)]);
    // Whatever is told once is told.
    await Promise.all([sender, reader].map((agent) => agent.facts("list_peers")));
    await sender.facts("send_message", { to: "reader", message: "first" });
    await sender.facts("list_peers");
    expect((await reader.facts("get_messages", { wait_ms: 60_000 })).messages).toHaveLength(1);
    await reader.facts("list_peers");
    await settled();
  });
  afterEach(async () => {
    for (const one of [sender, reader, sending, reading, home]) await one[Symbol.asyncDispose]();
  });

  const messages = 20;

  test("one call and one commit for each that is sent, and a few for a page of them", async () => {
    const before = sending.counts;
    const commits = commitsOf(home);
    for (let index = 0; index < messages; index++) {
      await sender.facts("send_message", { to: "reader", message: `message ${index}` });
    }
    await eventually(async () =>
      expect((await reader.facts("get_messages", { peek: true })).unread).toBe(messages),
    );
    await settled();
    expect(sending.counts.calls - before.calls).toBe(messages);
    expect((sending.counts.bytes - before.bytes) / messages).toBeLessThan(500);
    // It is accepted and leased in one.
    expect(commitsOf(home) - commits).toBeLessThanOrEqual(messages + 3);

    const reads = reading.counts;
    const reports = commitsOf(home);
    expect((await reader.facts("get_messages")).messages).toHaveLength(messages);
    await reader.facts("get_messages");
    await settled();
    // Presented, and confirmed.
    expect(reading.counts.calls - reads.calls).toBeLessThanOrEqual(3);
    expect((reading.counts.bytes - reads.bytes) / messages).toBeLessThan(300);
    expect(commitsOf(home) - reports).toBeLessThanOrEqual(4);
  });

  async function start(name: string, proxy: CountingProxy): Promise<Agent> {
    const env = { PEERLINE_NAME: name, PEERLINE_BROKER: `unix:${proxy.path}` };
    return new Agent({ home: home.path, env }).start();
  }

  /** Waits until nothing goes over either way any more. */
  async function settled(): Promise<void> {
    let last = "";
    await eventually(async () => {
      const before = last;
      await delay(150);
      last = JSON.stringify([sending.counts, reading.counts]);
      expect(last).toBe(before);
    });
  }
});

/** Transactions in the database's log, which is not begun anew within so few. */
function commitsOf({ path }: BrokerHome): number {
  const frames = readWal(join(path, "peerline.db"))?.frames ?? [];
  return frames.filter(({ commitPages }) => commitPages > 0).length;
}

describe.skipIf(cannotRead !== undefined)("what rest costs", () => {
  test("neither the broker nor an agent's process wakes without a cause", async () => {
    await using home = await startBrokerHome();
    await using agent = await new Agent({ home: home.path }).start();
    await agent.facts("list_peers");
    const broker = await brokerPid(home);
    // Memory is tidied up now and then, by all threads at once: what comes again and again is in each second.
    for (const pid of [broker, agent.pid]) {
      await eventually(async () => {
        const before = wakesOf(pid);
        await delay(1_000);
        expect(wakesOf(pid) - before, "wakes in a second").toBeLessThanOrEqual(3);
      }, 20_000);
    }
  });

  test("ten thousand messages, of which many are read, leave a broker small", async () => {
    await using home = await startBrokerHome();
    const names = Array.from({ length: 20 }, (_, index) => `reader-${index}`);
    using programs = new Programs(home);
    const readers = await Promise.all(names.map((name) => programs.register(name)));
    let stored = 0;
    for (let writer = 0; stored < 10_000; writer++) {
      const client = await programs.register(`writer-${writer}`);
      const sends = Array.from({ length: 25 }, (_, index) =>
        client.sendMessage({ to: names, text: `message ${index} of ${writer}` }),
      );
      for (const { results } of await Promise.all(sends)) {
        stored += results.filter(({ error }) => error === undefined).length;
      }
    }
    const pid = await brokerPid(home);
    expect(readProcess(pid).peakMiB).toBeLessThan(isFirstNode ? 145 : 160);
    // Each is confirmed by a call of its own: what is dead of so many calls is collected soon.
    for (const reader of readers) await confirmSome(reader, 200);
    expect(readProcess(pid).peakMiB).toBeLessThan(isFirstNode ? 158 : 185);
  });

  test(
    "two thousand messages read leave an agent's process small",
    { timeout: 300_000 },
    async () => {
      await using home = await startBrokerHome();
      await using reader = await new Agent({
        home: home.path,
        env: { PEERLINE_NAME: "reader" },
      }).start();
      await reader.facts("list_peers");
      using programs = new Programs(home);
      let read = 0;
      for (let writer = 0; read < 2_000; writer++) {
        const client = await programs.register(`writer-${writer}`);
        const sends = Array.from({ length: 500 }, (_, index) =>
          client.sendMessage({ to: ["reader"], text: `message ${index} of ${writer}` }),
        );
        for (const { results } of await Promise.all(sends))
          expect(results[0]?.error).toBeUndefined();
        for (const wanted = read + sends.length; read < wanted;) {
          read += (await reader.facts("get_messages", { wait_ms: 10_000 })).messages.length;
        }
      }
      expect(read).toBe(2_000);
      expect(readProcess(reader.pid).rssMiB).toBeLessThan(100);
    },
  );
});

/** Programs that speak the contract over one connection. */
class Programs implements Disposable {
  readonly #channel: Channel;

  constructor({ socket }: BrokerHome) {
    this.#channel = openChannel(`unix:${socket}`);
  }

  /** Makes a peer, and a client that acts as it. */
  async register(name: string) {
    const { sessionToken } = await createClient(BrokerService, this.#channel).register({
      secret: newSecret(),
      name,
    });
    const headers = () => ({ authorization: `Bearer ${sessionToken}` });
    return createClient(BrokerService, this.#channel, { headers });
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** Reads so many messages, and confirms each as it comes. */
async function confirmSome(reader: Client<typeof BrokerService>, count: number): Promise<void> {
  const confirmed: Promise<unknown>[] = [];
  for await (const { event } of reader.subscribe({})) {
    if (event.case !== "delivery") continue;
    const { deliveryId } = event.value;
    confirmed.push(reader.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] }));
    if (confirmed.length === count) break;
  }
  await Promise.all(confirmed);
}

/** Later versions of Node take more memory for the same. */
const isFirstNode = process.version.startsWith("v20.");

/** How often any thread of a process has gone to rest by itself. */
function wakesOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const counts = threads.map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

async function brokerPid({ socket }: BrokerHome): Promise<number> {
  const channel = openChannel(`unix:${socket}`);
  try {
    return (await createClient(BrokerService, channel).getServerInfo({})).pid;
  } finally {
    channel.close();
  }
}

/** What an agent's process has loaded by its end, which comes when it has nothing more to load. */
function loadedFiles(begin: (agent: RawAgent) => void) {
  return filesLoadedBy(async (coverage, folder) => {
    // Where no broker is, none is started.
    const env = { ...coverage, PEERLINE_BROKER: `unix:${folder}/none.sock` };
    await using agent = new RawAgent(folder, env);
    begin(agent);
    await agent.answer(1);
    agent.child.stdin.end();
    await agent.end();
  });
}

/** The program's own files that a process with such an environment has loaded by its end. */
async function filesLoadedBy(
  run: (env: Record<string, string>, folder: string) => Promise<void>,
): Promise<{ files: string[]; bytes: number }> {
  const folder = await mkdtemp(join(tmpdir(), "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await run({ NODE_V8_COVERAGE: folder }, folder);
  const reports = readdirSync(folder).filter((name) => name.startsWith("coverage-"));
  const scripts = reports.flatMap(
    (name) =>
      (JSON.parse(readFileSync(join(folder, name), "utf8")) as { result: { url: string }[] })
        .result,
  );
  const urls = scripts.map(({ url }) => url).filter((url) => url.startsWith("file:"));
  const files = [...new Set(urls)].map((url) => fileURLToPath(url));
  return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) };
}
