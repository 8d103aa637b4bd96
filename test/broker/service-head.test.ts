import type { ClientHttp2Session } from "node:http2";
import type { ServiceError } from "@grpc/grpc-js";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../gen/google/rpc/status_pb.js";
import {
  BrokerService,
  GetPeerRequestSchema,
  Outcome,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../src/broker/store/store.js";
import { systemClock } from "../../src/clock.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { methodPath } from "../../src/rpc/codec.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { openTestLine } from "../client/test-line.js";
import { deferred } from "../rpc/deferred.js";
import { asIs, openRawClient } from "../rpc/raw-client.js";
import { openRawSession } from "../rpc/raw-session.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  eventually,
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestStream,
} from "../support/test-broker.js";

// What the head of the service states, in its order. Its process and its socket are in test/e2e/service-head.test.ts.

const KiB = 1024;
const getPeer = "/peerline.v1.BrokerService/GetPeer";

describe("credentials", () => {
  test("the operator's token sees everything, and sends, receives and reports nothing", async () => {
    await using broker = await startTestBroker();
    const [api, web] = [await broker.join({ name: "api" }), await broker.join({ name: "web" })];
    const stream = web.subscribe();
    await stream.expect("started");
    const { messageId } = await api.client.sendMessage({ to: ["web"], text: "hello" });
    const { deliveryId } = await stream.expect("delivery");
    const operator = broker.client(operatorToken);
    const acks = [{ deliveryId, outcome: Outcome.CONFIRMED }];
    const refused = await Promise.all(
      [
        operator.ackMessages({ acks }),
        operator.sendMessage({ to: ["web"], text: "x" }),
        operator.subscribe({})[Symbol.asyncIterator]().next(),
        operator.updatePeer({ name: "boss" }),
        operator.unregister({}),
      ].map((call: Promise<unknown>) => reasonOf(call)),
    );
    expect(new Set(refused)).toEqual(new Set(["NOT_ALLOWED"]));
    const { record } = await operator.getMessage({ messageId });
    expect(record?.receipts).toMatchObject([{ state: ReceiptState.LEASED }]);
    await stream.cancel();
  });
});

describe("a client that comes back", () => {
  test("waits twice as long each time, and is the same peer again with its mail", async () => {
    const store = openMemoryStore({ clock: systemClock });
    const first = await startTestBroker({ store, keepStore: true });
    const triesMs: number[] = [];
    let address = first.address;
    const states: string[] = [];
    await using ci = await openTestLine(
      () => {
        triesMs.push(performance.now());
        return address;
      },
      "ci",
      { receives: true, onState: (state) => states.push(state) },
    );
    const before = ci.line.peer;
    await first[Symbol.asyncDispose]();
    triesMs.length = 0;
    await eventually(() => expect(triesMs.length).toBeGreaterThan(3));
    await using second = await startTestBroker({ store });
    ({ address } = second);
    await eventually(() => expect(ci.line.state).toBe("live"));
    expect(ci.line.peer?.peerId).toBe(before?.peerId);
    expect(states).toEqual(["live", "attaching", "live"]);
    // Each wait is at least half of what it would be without chance: 100 and 200 ms.
    const waits = triesMs.slice(1).map((at, index) => at - (triesMs[index] ?? 0));
    for (const [index, ms] of [50, 100].entries()) {
      expect(waits[index + 1], waits.join()).toBeGreaterThan(ms - 2);
    }
    await ci.line.send("ci", "hello");
    await eventually(() => expect(ci.line.mail.unread.count).toBe(1));
  });

  test("does not, when a newer one has taken over", async () => {
    await using broker = await startTestBroker();
    const states: string[] = [];
    const onState: (state: string) => void = (state) => void states.push(state);
    await using older = await openTestLine(broker.address, "ci", { receives: true, onState });
    await using newer = await openTestLine(broker.address, "ci", {
      receives: true,
      secret: older.secret,
    });
    await eventually(() => expect(states).toEqual(["live", "attaching", "ended"]));
    expect(older.line.ended.reason).toMatchObject({ code: "SUPERSEDED" });
    expect(newer.line.state).toBe("live");
  });
});

describe("time", () => {
  test("a peer is online for 3 seconds after its stream", async () => {
    const clock = new StoppedClock();
    await using broker = await startTestBroker({ clock });
    const [api, web] = [await broker.join({ name: "api" }), await broker.join({ name: "web" })];
    const isOnline = async () => (await web.client.getPeer({ peer: "api" })).peer?.online;
    expect(await isOnline()).toBe(false);
    const stream = api.subscribe();
    await stream.expect("started");
    expect(await isOnline()).toBe(true);
    const { timers } = clock;
    await stream.cancel();
    await eventually(() => expect(clock.timers).toBeGreaterThan(timers));
    clock.advance(2_999);
    expect(await isOnline()).toBe(true);
    clock.advance(1);
    expect(await isOnline()).toBe(false);
  });

  test("a broker keeps a live peer for its former instance, for its first second", async () => {
    const clock = new StoppedClock();
    const store = openMemoryStore({ clock });
    const before = await startTestBroker({ store, clock, keepStore: true });
    const holder = await before.join({ name: "api", instanceId: "former" });
    const stream = holder.subscribe();
    await stream.expect("started");
    await before[Symbol.asyncDispose]();

    await using after = await startTestBroker({ store, clock });
    let taken: string | undefined;
    const taking = after
      .join({ keyring: [holder.secret], name: "api", instanceId: "another" })
      .then(({ name }) => (taken = name));
    clock.advance(999);
    await calls(after);
    expect(taken).toBeUndefined();
    clock.advance(1);
    expect(await taking).toBe("api");
  });

  test("a returned message comes after 500 ms, then twice as long, and is dead with the last attempt", async () => {
    const clock = new StoppedClock();
    await using broker = await startTestBroker({ clock });
    const [api, web] = [await broker.join({ name: "api" }), await broker.join({ name: "web" })];
    const { limits } = await broker.client().getServerInfo({});
    const attempts = Number(limits.find(({ name }) => name === "delivery_attempts")?.maximum);
    const { messageId } = await api.client.sendMessage({ to: ["web"], text: "later" });
    const stream = web.subscribe();
    await stream.expect("started");
    let delivery = await stream.expect("delivery");
    for (let attempt = 1; attempt < attempts; attempt++) {
      const acks = [{ deliveryId: delivery.deliveryId, outcome: Outcome.RETURNED }];
      await web.client.ackMessages({ acks });
      const next = arriving(stream);
      const delayMs = 500 * 2 ** (attempt - 1);
      clock.advance(delayMs - 1);
      await calls(broker);
      expect(next.hasCome(), `${delayMs} ms`).toBe(false);
      clock.advance(1);
      delivery = await next.delivery;
      expect(delivery).toMatchObject({ redelivered: true, attempts: attempt });
    }
    const acks = [{ deliveryId: delivery.deliveryId, outcome: Outcome.RETURNED }];
    await web.client.ackMessages({ acks });
    const { record } = await api.client.getMessage({ messageId });
    expect(record?.receipts).toMatchObject([{ state: ReceiptState.DEAD_LETTERED, attempts }]);
    await stream.cancel();
  });
});

describe("a notice", () => {
  test("tells what ended within a second in lists and in words, and cannot be answered", async () => {
    const clock = new StoppedClock();
    await using broker = await startTestBroker({ clock });
    const api = await broker.join({ name: "api" });
    const web = await broker.join({ name: "web" });
    await broker.join({ name: "db" });
    const expiresIn = { seconds: 1n };
    const unread = await api.client.sendMessage({ to: ["db"], text: "soon", expiresIn });
    const shown = await api.client.sendMessage({ to: ["web"], text: "shown" });
    const received = web.subscribe();
    await received.expect("started");
    const { deliveryId } = await received.expect("delivery");
    const outcomes = [Outcome.PRESENTED, Outcome.REJECTED];
    const told = api.subscribe();
    await told.expect("started");
    clock.advance(1_000);
    await eventually(async () => {
      const { record } = await api.client.getMessage({ messageId: unread.messageId });
      expect(record?.receipts).toMatchObject([{ state: ReceiptState.EXPIRED }]);
    });
    await web.client.ackMessages({ acks: outcomes.map((outcome) => ({ deliveryId, outcome })) });
    const next = arriving(told);
    clock.advance(999);
    await calls(broker);
    expect(next.hasCome()).toBe(false);
    clock.advance(1);

    const { message } = await next.delivery;
    expect(message?.from).toMatchObject({
      peerId: "00000000-0000-0000-0000-000000000000",
      name: "@peerline",
    });
    expect(message?.data).toEqual({
      undelivered: [{ message_id: unread.messageId, to: "db", state: "expired" }],
      unconfirmed: [{ message_id: shown.messageId, to: "web", state: "dead_lettered" }],
    });
    for (const words of [unread.messageId.slice(-8), shown.messageId.slice(-8), "db", "web"]) {
      expect(message?.text).toContain(words);
    }
    const answer = { text: "thanks", inReplyTo: message?.messageId ?? "" };
    for (const to of ["@peerline", message?.from?.peerId ?? ""]) {
      expect(await reasonOf(api.client.sendMessage({ ...answer, to: [to] })), to).toBe(
        "PEER_NOT_FOUND",
      );
    }
    await Promise.all([received.cancel(), told.cancel()]);
  });
});

test("who watches first and then lists misses nothing, and knows by the ids what both told", async () => {
  await using broker = await startTestBroker();
  const api = await broker.join({ name: "api" });
  const operator = broker.client(operatorToken);
  const sent: string[] = [];
  const send = async (text: string) =>
    sent.push((await api.client.sendMessage({ to: ["api"], text })).messageId);
  await send("before");
  const abort = new AbortController();
  const messages = operator.watchMessages({}, { signal: abort.signal })[Symbol.asyncIterator]();
  const peers = operator.watchPeers({}, { signal: abort.signal })[Symbol.asyncIterator]();
  expect((await messages.next()).value?.event.case).toBe("started");
  while ((await peers.next()).value?.event.case !== "synced");
  await send("between");
  const late = await broker.join({ name: "late" });
  const listed = (await operator.listMessages({})).records.map(({ message }) => message?.messageId);
  const listedPeers = (await operator.listPeers({})).peers.map(({ peerId }) => peerId);
  await send("after");

  const watched: (string | undefined)[] = [];
  while (watched.length < 2) {
    const event = (await messages.next()).value?.event;
    if (event?.case === "accepted") watched.push(event.value.message?.messageId);
  }
  const changed = (await peers.next()).value?.event;
  expect(listed.toReversed()).toEqual(sent.slice(0, 2));
  expect(watched).toEqual(sent.slice(1));
  expect([...new Set([...listed.toReversed(), ...watched])]).toEqual(sent);
  expect(changed?.value).toMatchObject({ peerId: late.registered.peer?.peerId });
  expect(listedPeers).toContain(late.registered.peer?.peerId);
  abort.abort();
});

describe("a call that fails", () => {
  const cases: Record<string, readonly [Code, (broker: TestBroker) => Promise<unknown>]> = {
    FIELD_INVALID: [Code.InvalidArgument, ({ address }) => raw(address, Buffer.from([0xff]))],
    FIELD_TOO_LARGE: [
      Code.InvalidArgument,
      ({ address }) => raw(address, Buffer.alloc(4 * KiB * KiB + 1)),
    ],
    METHOD_UNKNOWN: [
      Code.Unimplemented,
      ({ address }) => raw(address, Buffer.alloc(0), "/peerline.v1.BrokerService/AskOracle"),
    ],
    TOKEN_MISSING: [Code.Unauthenticated, (broker) => broker.client().listPeers({})],
    TOKEN_INVALID: [Code.Unauthenticated, (broker) => broker.client("nobody").listPeers({})],
    NOT_ALLOWED: [
      Code.PermissionDenied,
      async (broker) => (await broker.join({ name: "api" })).client.stopBroker({}),
    ],
    PEER_NOT_FOUND: [
      Code.NotFound,
      (broker) => broker.client(operatorToken).getPeer({ peer: "nobody" }),
    ],
  };

  test.each(Object.entries(cases))("has one ErrorInfo: %s", async (reason, [code, fail]) => {
    await using broker = await startTestBroker();
    await expectOneInfo(fail(broker), reason, code);
  });

  test("has one also while the broker stops, when its store fails, and for a defect", async () => {
    const store = openMemoryStore({ clock: systemClock });
    const broker = await startTestBroker({ store });
    const operator = broker.client(operatorToken);
    await operator.listMessages({});
    const failing = (error: Error) => (store.history.list = () => Promise.reject(error));
    failing(new StoreError("UNAVAILABLE", "the disk does not answer"));
    await expectOneInfo(operator.listMessages({}), "STORE_UNAVAILABLE", Code.Unavailable);
    failing(new TypeError("a defect"));
    await expectOneInfo(operator.listMessages({}), "INTERNAL", Code.Internal);
    expect(broker.defects.splice(0)).toHaveLength(1);
    const watch = operator.watchMessages({})[Symbol.asyncIterator]();
    await watch.next();
    const ended = watch.next();
    await Promise.all([expectOneInfo(ended, "STOPPING", Code.Unavailable), broker.broker.close()]);
    await broker[Symbol.asyncDispose]();
  });
});

describe("without an ErrorInfo RESOURCE_EXHAUSTED ends", () => {
  test("a stream whose reader does not read, and what it had is offered again", async () => {
    await using broker = await startTestBroker({ server: { maxUnreadBytes: 128 * KiB } });
    const api = await broker.join({ name: "api" });
    const texts = Array.from({ length: 20 }, (_, index) => `${index} `.padEnd(15 * KiB, "x"));
    const readers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => broker.join({ name: `r${index}` })),
    );
    const streams = readers.map((reader) => reader.subscribe({ maxMessages: 64 }));
    for (const stream of streams) await stream.expect("started");
    const to = readers.map(({ name }) => name);
    for (const text of texts) await api.client.sendMessage({ to, text });
    const ends = await Promise.all(streams.map((stream) => endOf(stream, texts.length)));
    const reset = ends.flatMap((end, index) => (end instanceof RpcError ? [index] : []));
    expect(reset.length).toBeGreaterThan(0);
    for (const index of reset) expectBare(ends[index]);
    const again = readers[reset[0] ?? 0]?.subscribe({ maxMessages: 64 });
    await again?.expect("started");
    for (const text of texts) expect((await again?.expect("delivery"))?.message?.text).toBe(text);
    await Promise.all([...streams, ...(again === undefined ? [] : [again])].map((s) => s.cancel()));
  });

  test("a request that is not complete in time", async () => {
    await using broker = await startTestBroker({ server: { bounds: { stuckMs: 100 } } });
    expectBare(await beginRequest(broker.address).ended);
    expect((await broker.client().getServerInfo({})).knownPeers).toBe(0);
  });

  test("the newest call of the client that has the most, and nobody else's", async () => {
    await using broker = await startTestBroker({ server: { bounds: { calls: 6 } } });
    const api = await broker.join({ name: "api" });
    const stream = api.subscribe();
    await stream.expect("started");
    const operator = broker.client(operatorToken);
    const watches = Array.from({ length: 10 }, () =>
      operator.watchPeers({})[Symbol.asyncIterator](),
    );
    const begun = await Promise.allSettled(watches.map((watch) => watch.next()));
    const failed = begun.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
    expect(failed.length).toBeGreaterThan(3);
    for (const error of failed) expectBare(error);
    expect(begun[0]?.status).toBe("fulfilled");
    await api.client.sendMessage({ to: ["api"], text: "still here" });
    await stream.expect("delivery");
    await stream.cancel();
  });

  test("the largest request of the client whose requests hold the most", async () => {
    await using broker = await startTestBroker({ server: { bounds: { requestBytes: 64 * KiB } } });
    const small = beginRequest(broker.address, 20 * KiB);
    await calls(broker);
    const large = beginRequest(broker.address, 60 * KiB);
    expectBare(await large.ended);
    small.end();
    const ended = await small.ended;
    expect(ended === undefined || codeOf(ended) !== Code.ResourceExhausted).toBe(true);
  });
});

test("beyond the bound of connections, the one that carries no call for longest is closed", async () => {
  await using broker = await startTestBroker({ server: { bounds: { connections: 3 } } });
  const sessions: ClientHttp2Session[] = [];
  for (let index = 0; index < 3; index++) {
    const session = openRawSession(broker.address);
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    sessions.push(session);
  }
  expect((await broker.client().getServerInfo({})).knownPeers).toBe(0);
  await eventually(() =>
    expect(sessions.map(({ destroyed }) => destroyed)).toEqual([true, false, false]),
  );
});

/** Two calls, one after the other: what the broker was about to send before them has been sent. */
async function calls(broker: TestBroker): Promise<void> {
  const client = broker.client();
  await client.getServerInfo({});
  await client.getServerInfo({});
}

/** The next delivery of a stream, and whether it has come. */
function arriving(stream: TestStream) {
  let isHere = false;
  const delivery = stream.expect("delivery").then((value) => {
    isHere = true;
    return value;
  });
  return { delivery, hasCome: () => isHere };
}

/** Reads so many deliveries; resolves to the error that the stream ends with before. */
async function endOf(stream: TestStream, count: number): Promise<unknown> {
  try {
    for (let index = 0; index < count; index++) await stream.expect("delivery");
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A unary call by its bytes, without the bridge. */
function raw(address: string, request: Buffer, path = getPeer): Promise<unknown> {
  const client = openRawClient(address, { "grpc.max_send_message_length": -1 });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, request, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
}

/** A unary call whose request is sent, and not ended before `end`. */
function beginRequest(address: string, bytes = 1) {
  const client = openRawClient(address);
  const request: MessageInitShape<typeof GetPeerRequestSchema> = { peer: "x".repeat(bytes) };
  const message = Buffer.from(
    toBinary(GetPeerRequestSchema, create(GetPeerRequestSchema, request)),
  );
  const path = methodPath(BrokerService.method.getPeer);
  const ended = deferred<unknown>();
  const call = client.makeClientStreamRequest(path, asIs, asIs, (error) =>
    ended.resolve(error ?? undefined),
  );
  call.write(message);
  onTestFinished(() => call.cancel());
  return { ended: ended.promise, end: () => void call.end() };
}

/** The call fails with this code and exactly one ErrorInfo, of this reason. */
async function expectOneInfo(call: Promise<unknown>, reason: string, code: Code): Promise<void> {
  const error = await call.then(
    () => expect.unreachable(`${reason}: the call succeeded`),
    (thrown: unknown) => thrown,
  );
  expect(codeOf(error)).toBe(code);
  const infos = detailsOf(error).filter(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  expect(infos.map(({ value }) => fromBinary(ErrorInfoSchema, value))).toMatchObject([
    { reason, domain: "peerline.v1" },
  ]);
  expect(ErrorReason).toHaveProperty(reason);
}

/** The error is RESOURCE_EXHAUSTED, and has no details. */
function expectBare(error: unknown): void {
  expect(codeOf(error)).toBe(Code.ResourceExhausted);
  expect(detailsOf(error)).toEqual([]);
}

function codeOf(error: unknown): number {
  return (error as ServiceError | RpcError).code;
}

function detailsOf(error: unknown): readonly { typeUrl: string; value: Uint8Array }[] {
  if (error instanceof RpcError) return error.details;
  const [encoded] = (error as ServiceError).metadata.get("grpc-status-details-bin");
  return encoded === undefined ? [] : fromBinary(StatusSchema, Buffer.from(encoded)).details;
}
