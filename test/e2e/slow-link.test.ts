import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { spread } from "../bench/statistics.js";
import { TestHome } from "../mcp/test-home.js";
import { Relay } from "../support/relay.js";
import { freePort } from "../rpc/free-port.js";
import { eventually, newSecret, TestStream } from "../support/test-broker.js";
import { Operator } from "./operator.js";
import { commandOf, credentialOf, SharedHome, type RemoteClient } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 180_000 });

let laptop: SharedHome;
let desktop: TestHome;
let link: Relay;
let linkAddress: string;
const clients: RemoteClient[] = [];

beforeEach(async () => {
  laptop = await SharedHome.open();
  desktop = await TestHome.open();
  await commandOf(desktop.path, "join", await laptop.share());
  const port = await freePort();
  linkAddress = `127.0.0.1:${port}`;
  link = await Relay.listen(port, {
    host: "127.0.0.1",
    port: Number(laptop.address.split(":")[1]),
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
  await link[Symbol.asyncDispose]();
  await desktop[Symbol.asyncDispose]();
  await laptop[Symbol.asyncDispose]();
});

/** Something that goes over the link. */
interface Journey {
  readonly what: string;
  /** How often the link has to be crossed, one crossing after the other. */
  readonly crossings: number;
  /** Does it once. The text is its own. */
  take(text: string, watch: Stopwatch): Promise<void>;
}

class Stopwatch {
  #startMs = 0;
  tookMs = 0;

  start(): void {
    this.#startMs = performance.now();
  }

  readonly stop = (): void => void (this.tookMs = performance.now() - this.#startMs);
}

test("a message crosses the link once each way, and no call begins a connection", async () => {
  const journeys = await openJourneys();
  const { connections } = link;
  // So long that nothing else takes as long, at least once in three times.
  link.delayMs = 200;
  for (const journey of journeys) {
    const { min } = spread(await timesOf(journey, 3));
    expect(Math.floor(min / link.delayMs), `${journey.what}: ${min} ms`).toBe(journey.crossings);
  }
  expect(link.connections).toBe(connections);
});

test.runIf(process.env["PEERLINE_LATENCY"] === "1")("how long each takes, as a table", async () => {
  const lines: string[] = [];
  for (const journey of await openJourneys()) {
    const cells: string[] = [];
    for (const delayMs of [0, 20, 100]) {
      link.delayMs = delayMs;
      const { median, min, max } = spread(await timesOf(journey, 30));
      cells.push(`${median.toFixed(1)} (${min.toFixed(1)} to ${max.toFixed(1)})`);
    }
    lines.push(`| ${[journey.what, journey.crossings, ...cells].join(" | ")} |`);
  }
  console.log(lines.join("\n"));
  expect(lines).not.toEqual([]);
});

async function openJourneys(): Promise<Journey[]> {
  const sender = await register("sender", linkAddress);
  const across = await subscribe("across", linkAddress);
  const beside = await subscribe("beside", laptop.address);
  await register("absent", laptop.address);
  const env = { PEERLINE_BROKER: `tls:${linkAddress}` };
  const web = await desktop.start("web", { env });
  const api = await desktop.start("api", { env });
  await web.facts("list_peers");
  await api.facts("list_peers");
  const operator = new Operator(laptop.path);
  const late = await register("late", linkAddress);
  const letters = Array.from({ length: 15 }, (_, index) => `${index} `.padEnd(16_000, "."));
  for (const text of letters) await sender.client.sendMessage({ to: ["late"], text });

  const deliver = (to: string, { client, stream }: Reader): Journey["take"] => {
    return async (text, watch) => {
      watch.start();
      const [{ deliveryId }] = await Promise.all([
        stream.expect("delivery").finally(watch.stop),
        sender.client.sendMessage({ to: [to], text }),
      ]);
      const acks = [{ deliveryId, outcome: Outcome.CONFIRMED }];
      const { results } = await client.ackMessages({ acks });
      expect(results.map(({ error }) => error)).toEqual([undefined]);
    };
  };
  return [
    {
      what: "send, and its answer",
      crossings: 2,
      take: async (text, watch) => {
        watch.start();
        await sender.client.sendMessage({ to: ["absent"], text });
        watch.stop();
      },
    },
    {
      what: "send to delivery on the broker's machine",
      crossings: 1,
      take: deliver("beside", beside),
    },
    {
      what: "send to delivery on another machine",
      crossings: 2,
      take: deliver("across", across),
    },
    {
      what: "subscribing to the last of 15 messages of 16 kB that wait",
      crossings: 2,
      take: async (_text, watch) => {
        watch.start();
        const stream = new TestStream(late.client, credit);
        await stream.expect("started");
        for (const text of letters) {
          expect((await stream.expect("delivery")).message).toMatchObject({ text });
        }
        watch.stop();
        await stream.cancel();
      },
    },
    {
      what: "`send_message` to the result of a waiting `get_messages`",
      crossings: 2,
      take: async (text, watch) => {
        const read = web.facts("get_messages", { wait_ms: 20_000 }).finally(watch.stop);
        await eventually(async () => {
          const waiting = (await operator.peers()).filter(({ reach }) => reach === Reach.WAKES);
          expect(waiting.map(({ name }) => name)).toEqual(["web"]);
        });
        watch.start();
        await api.facts("send_message", { to: "web", message: text });
        expect((await read).messages).toMatchObject([{ text }]);
      },
    },
  ];
}

interface Reader extends RemoteClient {
  readonly stream: TestStream;
}

async function register(name: string, address: string): Promise<RemoteClient> {
  const credential = credentialOf(desktop);
  using anonymous = laptop.remote({ credential, address });
  const { sessionToken: token } = await anonymous.client.register({ secret: newSecret(), name });
  const own = laptop.remote({ credential, token, address });
  clients.push(own);
  // It connects with its first call.
  await own.client.getServerInfo({});
  return own;
}

async function subscribe(name: string, address: string): Promise<Reader> {
  const own = await register(name, address);
  const stream = new TestStream(own.client, credit);
  await stream.expect("started");
  return { ...own, stream };
}

const credit = { maxMessages: 64, maxBytes: 1_000_000n };

async function timesOf(journey: Journey, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const watch = new Stopwatch();
    await journey.take(`${journey.what}, ${link.delayMs} ms, ${index}`, watch);
    times.push(watch.tookMs);
  }
  return times;
}
