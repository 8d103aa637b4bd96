import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { Closing_Reason } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { BrokerError } from "../../src/broker/broker-error.js";
import { Streams, type StreamKind } from "../../src/broker/delivery/streams.js";
import {
  maxAheadBytes,
  maxOperatorWatches,
  maxStreams,
  maxWatches,
} from "../../src/broker/limits.js";
import { Directory } from "../../src/broker/peers/directory.js";
import { Sessions, type Credential } from "../../src/broker/peers/sessions.js";
import { systemClock } from "../../src/clock.js";
import { Code } from "../../src/rpc/error.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { peer } from "../contract/store/peers.js";
import {
  eventually,
  operatorToken,
  reasonIn,
  startTestBroker,
  type TestBroker,
} from "../support/test-broker.js";

const KiB = 1024;

describe("streams that nobody reads", () => {
  let broker: TestBroker;
  beforeEach(async () => void (broker = await startTestBroker()));
  afterEach(() => broker[Symbol.asyncDispose]());

  test("a session has one WatchPeers: a newer one ends the older, with the reason", async () => {
    const api = await broker.join({ name: "api" });
    const older = api.client.watchPeers({})[Symbol.asyncIterator]();
    expect((await older.next()).value?.event.case).toBe("peer");
    expect((await older.next()).value?.event.case).toBe("synced");
    const ended = older.next().catch((error: unknown) => error);
    const newer = api.client.watchPeers({})[Symbol.asyncIterator]();
    await newer.next();
    expect(reasonIn(await ended)).toBe("SUPERSEDED");
    expect((await newer.next()).value?.event.case).toBe("synced");
    await newer.return?.();
  });

  test("of many that one session opens and does not read, all but the newest end", async () => {
    // More than a stream takes without a reader, so that each is stuck in its snapshot.
    const wide = "x".repeat(4000);
    const profile = { cwd: `/${wide}`, root: `/${wide}` };
    await Promise.all(Array.from({ length: 40 }, () => broker.join({ baseName: "wide", profile })));
    const { client } = await broker.join({ name: "flood" });
    const streams = Array.from({ length: 60 }, () => client.watchPeers({})[Symbol.asyncIterator]());
    await Promise.all(streams.map((stream) => stream.next()));
    const ends = await Promise.all(
      streams.map(async (stream) => {
        try {
          for (;;) {
            const { value } = await stream.next();
            if (value?.event.case === "synced") return "synced";
          }
        } catch (error) {
          return reasonIn(error);
        }
      }),
    );
    expect(ends.filter((end) => end === "synced")).toHaveLength(1);
    expect(ends.filter((end) => end === "SUPERSEDED")).toHaveLength(59);
    await Promise.all(streams.map(async (stream) => stream.return?.()));
  });

  test("the operator has a bounded number of each kind", async () => {
    const operator = broker.client(operatorToken);
    const open = await Promise.all(
      Array.from({ length: maxOperatorWatches }, async () => {
        const iterator = operator.watchMessages({})[Symbol.asyncIterator]();
        await iterator.next();
        return iterator;
      }),
    );
    const refused = operator.watchMessages({})[Symbol.asyncIterator]().next();
    expect(reasonIn(await refused.catch((error: unknown) => error))).toBe("LIMIT_REACHED");
    const peers = operator.watchPeers({})[Symbol.asyncIterator]();
    await peers.next();
    await peers.return?.();
    await open[0]?.return?.();
    const again = await eventually(async () => {
      const iterator = operator.watchMessages({})[Symbol.asyncIterator]();
      await iterator.next();
      return iterator;
    });
    await again.return?.();
    await Promise.all(open.map(async (iterator) => iterator.return?.()));
  });

  test("an unread Subscribe takes little from its queue, whatever its credit; read, it gets all", async () => {
    const reader = await broker.join({ name: "reader" });
    const sender = await broker.join({ name: "sender" });
    const count = 300;
    for (let index = 0; index < count; index++) {
      const text = `${index} ${"x".repeat(15 * KiB)}`;
      await sender.client.sendMessage({ to: ["reader"], text });
    }
    const stream = reader.subscribe({ maxMessages: 1024, maxBytes: BigInt(16 * KiB * KiB) });
    await stream.expect("started");
    await stream.expect("delivery");
    const leased = await steadyLeased(broker);
    expect(leased).toBeGreaterThan(1);
    expect(leased * 15 * KiB).toBeLessThan(4 * maxAheadBytes);
    for (let index = 1; index < count; index++) {
      expect((await stream.expect("delivery")).message?.text.startsWith(`${index} `)).toBe(true);
    }
    await stream.cancel();
  });

  test("a superseded stream keeps nothing: its reader hears closing, and the newer one gets the mail", async () => {
    const reader = await broker.join({ name: "reader" });
    const sender = await broker.join({ name: "sender" });
    const count = 200;
    for (let index = 0; index < count; index++) {
      const text = `${index} ${"x".repeat(10 * KiB)}`;
      await sender.client.sendMessage({ to: ["reader"], text });
    }
    const older = reader.subscribe({ maxMessages: 1024, maxBytes: BigInt(16 * KiB * KiB) });
    await older.expect("started");
    await steadyLeased(broker);
    const newer = reader.subscribe({ maxMessages: 1024, maxBytes: BigInt(16 * KiB * KiB) });
    await newer.expect("started");
    // What was on its way still comes; what only waited in the broker does not.
    let late = 0;
    for (;;) {
      const event = await older.next();
      if (event.case === "closing") {
        expect(event.value.reason).toBe(Closing_Reason.SUPERSEDED);
        break;
      }
      late++;
    }
    // On its way were 64 KiB here, as much on the connection and some messages at the client: about 30. With
    // what waited in the broker, another 256 KiB, it would be 55.
    expect(late).toBeLessThan(42);
    expect(reasonIn(await older.failure())).toBe("SUPERSEDED");
    for (let index = 0; index < count; index++) await newer.expect("delivery");
    await newer.cancel();
  });
});

describe("of the streams of all sessions", () => {
  test.each([
    { limit: "watches", kind: "WatchPeers", maximum: maxWatches, other: "Subscribe" },
    { limit: "streams", kind: "Subscribe", maximum: maxStreams, other: "Subscribe" },
  ] as const)(
    "so many $kind may be open; one more is refused with LIMIT_REACHED, until one ends",
    async ({ limit, kind, maximum, other }) => {
      const streams = new Streams(systemClock);
      const [last, ...callers] = await openSessions(maximum + 1);
      if (last === undefined) throw new Error("no session");
      const open = await Promise.all(callers.map((caller) => openStream(streams, caller, kind)));

      const refusal = await openStream(streams, last, kind).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: Code.ResourceExhausted });
      expect(reasonIn(refusal)).toBe("LIMIT_REACHED");
      const { metadata } = (refusal as BrokerError).findDetail(ErrorInfoSchema) ?? {};
      expect(metadata).toMatchObject({ limit, maximum: String(maximum) });

      // Who has one already may replace it; mail is no watch.
      const [first] = callers;
      if (first !== undefined) open.push(await openStream(streams, first, kind));
      if (other !== kind) await (await openStream(streams, last, other)).leave();

      await open[1]?.leave();
      await open[0]?.leave();
      await openStream(streams, last, kind);
    },
  );
});

async function openSessions(count: number): Promise<Credential[]> {
  const clock = systemClock;
  const store = openMemoryStore({ clock });
  const directory = new Directory(store, clock);
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const sessions = new Sessions({ store, directory, clock, log, operatorToken, brokerId: "b" });
  const facts = { machineId: "", conversationId: "", created: true, isSure: true };
  const opened: Credential[] = [];
  for (let index = 0; index < count; index++) {
    const instanceId = `instance-${index}`;
    const connection = { closed: new AbortController().signal };
    const created = await directory.create(peer(`peer-${index}`));
    const session = sessions.open({ peer: created, instanceId, connection, ...facts });
    opened.push({ kind: "session", session });
  }
  return opened;
}

/** Opens a stream; its reader leaves when `leave` is called. */
async function openStream(streams: Streams, caller: Credential, kind: StreamKind) {
  const stream = streams.run({ caller, machineId: "" }, kind, () => undefined, endless());
  await stream.next();
  return { leave: () => stream.return(undefined) };
}

async function* endless(): AsyncGenerator<number> {
  for (let index = 0; ; index++) yield index;
}

/** How many messages are leased, once no more are: the stream that takes them waits for its reader. */
async function steadyLeased(broker: TestBroker): Promise<number> {
  let leased = 0;
  return eventually(async () => {
    const before = leased;
    leased = await countLeased(broker);
    expect(leased).toBeGreaterThan(1);
    expect(leased, "until no more are leased").toBe(before);
    return leased;
  });
}

async function countLeased(broker: TestBroker): Promise<number> {
  const operator = broker.client(operatorToken);
  let pageToken = "";
  let leased = 0;
  do {
    const page = await operator.listMessages({ pageSize: 200, pageToken });
    leased += page.records.filter(
      ({ receipts }) => receipts[0]?.state === ReceiptState.LEASED,
    ).length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return leased;
}
