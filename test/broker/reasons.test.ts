import { createHash, randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Outcome, type PeerScope } from "../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { PeerKind, ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import { StoreError, type Store, type StoreErrorCode } from "../../src/broker/store/store.js";
import type { StoreLimits } from "../../src/store/limits.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { reasonsOfAny, reasonsOfCalls } from "../support/listed-reasons.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  entryReason,
  newSecret,
  operatorToken,
  reasonIn,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

type StoreCall = keyof Store["peers"] | keyof Store["queues"] | keyof Store["history"];

/** What the store is to fail with, by what is asked of it; `next` is of the readers of its queues. */
type Failures = Partial<Record<StoreCall | "next", StoreErrorCode>>;

interface Scene {
  readonly broker: TestBroker;
  readonly operator: ReturnType<TestBroker["client"]>;
  readonly api: TestPeer;
  readonly web: TestPeer;
  readonly failures: Failures;
}

/** Makes a call fail; the reasons are the scene's answer. */
type Provoke = (scene: Scene) => Promise<unknown>;

const twins = "0000cafe";
/** It stands still: no burst comes back, however long the calls that use it up take. */
const clock = new StoppedClock();
const send = (from: TestPeer, more: object = {}): Promise<{ messageId: string }> =>
  from.client.sendMessage({ to: ["web"], text: randomUUID(), ...more });

/** Two messages whose ids have one ending. */
async function sendTwins(from: TestPeer): Promise<string> {
  for (const part of ["1111", "2222"]) {
    await send(from, { messageId: `019a0000-0000-7000-8000-${part}${twins}` });
  }
  return twins;
}

/** Reports the next messages of web; resolves to their ids. */
async function report(scene: Scene, count: number, outcome: Outcome): Promise<string[]> {
  const stream = scene.web.subscribe();
  await stream.expect("started");
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const { deliveryId, message } = await stream.expect("delivery");
    await scene.web.client.ackMessages({ acks: [{ deliveryId, outcome }] });
    ids.push(message?.messageId ?? "");
  }
  await stream.cancel();
  return ids;
}

async function kill(scene: Scene, more: object = {}): Promise<string> {
  await send(scene.api, more);
  return (await report(scene, 1, Outcome.REJECTED))[0] ?? "";
}

async function ackNext({ api, web, failures }: Scene, code: StoreErrorCode): Promise<unknown> {
  await send(api);
  const stream = web.subscribe();
  await stream.expect("started");
  const { deliveryId } = await stream.expect("delivery");
  failures.advance = code;
  const acks = [{ deliveryId, outcome: Outcome.CONFIRMED }];
  return web.client.ackMessages({ acks });
}

async function untilRefused(call: () => Promise<unknown>): Promise<void> {
  for (let count = 0; count < 2000; count++) await call();
}

const messageId = randomUUID();
const peerCalls = (
  call: (scene: Scene, peer: string) => Promise<unknown>,
): Record<string, Provoke> => ({
  PEER_AMBIGUOUS: (scene) => call(scene, twins),
  PEER_NOT_FOUND: (scene) => call(scene, "nobody"),
});
const deadLetterCalls = (
  call: (scene: Scene, request: { messageId: string; recipient?: string }) => Promise<unknown>,
  failing: StoreCall,
): Record<string, Provoke> => ({
  "FIELD_*": (scene) => call(scene, { messageId: "" }),
  MESSAGE_AMBIGUOUS: async (scene) => {
    await sendTwins(scene.api);
    await report(scene, 2, Outcome.REJECTED);
    return call(scene, { messageId: twins });
  },
  MESSAGE_NOT_FOUND: (scene) => call(scene, { messageId }),
  PEER_AMBIGUOUS: async (scene) => {
    const id = await kill(scene, { to: ["web", "api"] });
    const own = scene.api.subscribe();
    await own.expect("started");
    const { deliveryId } = await own.expect("delivery");
    await scene.api.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.REJECTED }] });
    return call(scene, { messageId: id });
  },
  PEER_NOT_FOUND: async (scene) =>
    call(scene, { messageId: await kill(scene), recipient: "nobody" }),
  STORE_FULL: async (scene) => {
    const id = await kill(scene);
    scene.failures[failing] = "FULL";
    return call(scene, { messageId: id });
  },
  DATA_LOSS: (scene) => {
    scene.failures.find = "DATA_LOSS";
    return call(scene, { messageId });
  },
});

const provocations: Record<string, Record<string, Provoke>> = {
  Register: {
    "FIELD_*": ({ broker }) => broker.client().register({ secret: "short" }),
    PEER_NOT_FOUND: ({ broker }) =>
      broker.client().register({ keyring: [newSecret()], instanceId: "one" }),
    PEER_LIVE: ({ broker, api }) =>
      broker.client().register({ secret: api.secret, instanceId: "other" }),
    RATE_LIMITED: ({ broker }) => {
      const client = broker.client();
      return untilRefused(() => client.register({ secret: newSecret() }));
    },
    LIMIT_REACHED: ({ broker }) => broker.client().register({ secret: newSecret() }),
    STORE_FULL: ({ broker, failures }) => {
      failures.create = "FULL";
      return broker.client().register({ secret: newSecret() });
    },
  },
  UpdatePeer: {
    "FIELD_*": ({ api }) => api.client.updatePeer({ summary: "x".repeat(501) }),
    NAME_TAKEN: ({ api }) => api.client.updatePeer({ name: "web" }),
    STORE_FULL: ({ api, failures }) => {
      failures.update = "FULL";
      return api.client.updatePeer({ summary: "x" });
    },
  },
  DeletePeer: {
    ...peerCalls(({ operator }, peer) => operator.deletePeer({ peer })),
    "FIELD_*": ({ operator }) => operator.deletePeer({}),
    NOT_ALLOWED: ({ api }) => api.client.deletePeer({ peer: "web" }),
    MUTED: async ({ operator, api }) => {
      await operator.mutePeer({ peer: "api" });
      return api.client.deletePeer({});
    },
    PEER_LIVE: ({ operator }) => operator.deletePeer({ peer: "api" }),
    STORE_FULL: ({ operator, failures }) => {
      failures.forget = "FULL";
      return operator.deletePeer({ peer: "twin-1" });
    },
  },
  GetPeer: {
    ...peerCalls(({ api }, peer) => api.client.getPeer({ peer })),
    FIELD_REQUIRED: ({ operator }) => operator.getPeer({}),
  },
  ListPeers: { "FIELD_*": ({ api }) => api.client.listPeers({ pageToken: "%" }) },
  WatchPeers: {
    "FIELD_*": ({ api }) => firstOf(api.client.watchPeers({ scope: 99 as PeerScope })),
    SUPERSEDED: async ({ api }) => {
      const older = api.client.watchPeers({})[Symbol.asyncIterator]();
      await older.next();
      void firstOf(api.client.watchPeers({}), 1000).catch(() => undefined);
      return untilRefused(() => older.next());
    },
    LIMIT_REACHED: ({ operator }) =>
      Promise.all(Array.from({ length: 33 }, () => firstOf(operator.watchPeers({}), 100))),
  },
  SendMessage: {
    ...peerCalls(({ api }, to) => send(api, { to: [to] })),
    "FIELD_*": ({ api }) => send(api, { text: "" }),
    MESSAGE_AMBIGUOUS: async ({ api, web }) =>
      send(web, { to: ["api"], inReplyTo: await sendTwins(api) }),
    MESSAGE_NOT_FOUND: ({ api }) => send(api, { inReplyTo: messageId }),
    MESSAGE_ID_REUSED: async ({ api }) => {
      await send(api, { messageId });
      return send(api, { messageId });
    },
    PEER_RENAMED: ({ api }) => send(api, { knownPeers: { web: messageId } }),
    MUTED: async ({ operator, api }) => {
      await operator.mutePeer({ peer: "api" });
      return send(api);
    },
    STORE_FULL: ({ api, failures }) => {
      failures.enqueue = "FULL";
      return send(api);
    },
    LIMIT_REACHED: ({ api }) => untilRefused(() => send(api, { text: randomUUID().repeat(400) })),
    QUEUE_FULL: ({ api }) => untilRefused(() => send(api)),
    RATE_LIMITED: ({ api }) =>
      untilRefused(() => send(api, { to: ["api", "web", "twin-1", "twin-2"] })),
    HOP_LIMIT: ({ api }) => {
      let inReplyTo = "";
      return untilRefused(async () => {
        inReplyTo = (await send(api, { inReplyTo })).messageId;
      });
    },
    REPEATED_TEXT: ({ api }) => untilRefused(() => send(api, { text: "again" })),
    DATA_LOSS: ({ api, failures }) => {
      failures.find = "DATA_LOSS";
      return send(api, { inReplyTo: messageId });
    },
  },
  Subscribe: {
    "FIELD_*": ({ api }) => firstOf(api.client.subscribe({ maxMessages: 5000 })),
    SUPERSEDED: async ({ api }) => {
      const older = api.subscribe();
      await older.expect("started");
      await api.subscribe().expect("started");
      throw await older.failure();
    },
    STOPPING: async ({ api, broker }) => {
      const stream = api.subscribe();
      await stream.expect("started");
      await broker.broker.close();
      throw await stream.failure();
    },
    STORE_FULL: async ({ api, failures }) => {
      failures.next = "FULL";
      throw await api.subscribe().failure();
    },
  },
  AckMessages: {
    "FIELD_*": ({ api }) => api.client.ackMessages({}),
    DELIVERY_NOT_FOUND: ({ api }) =>
      api.client.ackMessages({ acks: [{ deliveryId: "x", outcome: Outcome.CONFIRMED }] }),
    DELIVERY_STALE: async ({ api, web }) => {
      await send(api);
      const stream = web.subscribe();
      await stream.expect("started");
      const { deliveryId } = await stream.expect("delivery");
      const acks = [Outcome.CONFIRMED, Outcome.REJECTED].map((outcome) => ({
        deliveryId,
        outcome,
      }));
      return web.client.ackMessages({ acks });
    },
    STORE_FULL: (scene) => ackNext(scene, "FULL"),
    STORE_UNAVAILABLE: (scene) => ackNext(scene, "UNAVAILABLE"),
    DATA_LOSS: (scene) => ackNext(scene, "DATA_LOSS"),
  },
  GetMessage: {
    "FIELD_*": ({ api }) => api.client.getMessage({ messageId: "x" }),
    MESSAGE_AMBIGUOUS: async ({ api }) =>
      api.client.getMessage({ messageId: await sendTwins(api) }),
    MESSAGE_NOT_FOUND: ({ api }) => api.client.getMessage({ messageId }),
    DATA_LOSS: ({ api, failures }) => {
      failures.find = "DATA_LOSS";
      return api.client.getMessage({ messageId });
    },
  },
  ListMessages: {
    ...peerCalls(({ api }, peer) => api.client.listMessages({ peer })),
    "FIELD_*": ({ api }) => api.client.listMessages({ pageToken: "%" }),
  },
  RedriveMessage: {
    ...deadLetterCalls(({ operator }, request) => operator.redriveMessage(request), "redrive"),
    QUEUE_FULL: async (scene) => {
      const id = await kill(scene);
      scene.failures.redrive = "QUEUE_FULL";
      return scene.operator.redriveMessage({ messageId: id });
    },
  },
  DropMessage: deadLetterCalls(({ operator }, request) => operator.dropMessage(request), "drop"),
  MutePeer: {
    ...peerCalls(({ operator }, peer) => operator.mutePeer({ peer })),
    "FIELD_*": ({ operator }) => operator.mutePeer({}),
    STORE_FULL: ({ operator, failures }) => {
      failures.update = "FULL";
      return operator.mutePeer({ peer: "api" });
    },
  },
  UnmutePeer: {
    ...peerCalls(({ operator }, peer) => operator.unmutePeer({ peer })),
    "FIELD_*": ({ operator }) => operator.unmutePeer({}),
    STORE_FULL: ({ operator, failures }) => {
      failures.update = "FULL";
      return operator.unmutePeer({ peer: "api" });
    },
  },
  PurgeMessages: {
    ...peerCalls(({ operator }, from) => operator.purgeMessages({ from })),
    "FIELD_*": ({ operator }) => operator.purgeMessages({}),
    STORE_FULL: ({ operator, failures }) => {
      failures.purge = "FULL";
      return operator.purgeMessages({ from: "api" });
    },
  },
  CreateEnrolment: {
    "FIELD_*": ({ operator }) => operator.createEnrolment({ uses: 1001 }),
    LIMIT_REACHED: ({ operator }) => untilRefused(() => operator.createEnrolment({})),
    STORE_FULL: ({ operator, failures }) => {
      failures.createEnrolment = "FULL";
      return operator.createEnrolment({});
    },
  },
  Enrol: {
    "FIELD_*": ({ operator }) => operator.enrol({ token: "x", credential: "x" }),
    ENROLMENT_INVALID: ({ operator }) =>
      operator.enrol({ token: newSecret(), credential: newSecret() }),
    LIMIT_REACHED: async ({ operator }) => {
      const { token } = await operator.createEnrolment({ uses: 1000 });
      return untilRefused(() => operator.enrol({ token, credential: newSecret() }));
    },
    STORE_FULL: async ({ operator, failures }) => {
      const { token } = await operator.createEnrolment({});
      failures.enrol = "FULL";
      return operator.enrol({ token, credential: newSecret() });
    },
  },
  RevokeMachine: {
    FIELD_REQUIRED: ({ operator }) => operator.revokeMachine({}),
    MACHINE_NOT_FOUND: ({ operator }) => operator.revokeMachine({ name: "nobody" }),
    STORE_FULL: async ({ operator, failures }) => {
      const { token } = await operator.createEnrolment({});
      await operator.enrol({ token, credential: newSecret(), name: "desktop" });
      failures.putMachine = "FULL";
      return operator.revokeMachine({ name: "desktop" });
    },
  },
  WatchMessages: {
    LIMIT_REACHED: ({ operator }) =>
      Promise.all(Array.from({ length: 33 }, () => firstOf(operator.watchMessages({}), 100))),
  },
};

/**
 * What takes thousands of sessions or calls: streams.test.ts and registrations-at-once.test.ts show it. And
 * what takes a listener: test/daemon/tls-listener.test.ts does.
 */
const shownElsewhere = new Set([
  "Subscribe LIMIT_REACHED",
  "DeletePeer RATE_LIMITED",
  "UpdateListeners LISTEN_FAILED",
]);

test("each reason that a call lists is provoked here, and no other", () => {
  expect(reasonsOfCalls.size).toBe(26);
  expect(reasonsOfAny).toEqual(
    new Set(
      [
        "TOKEN_MISSING TOKEN_INVALID NOT_ALLOWED STOPPING STORE_UNAVAILABLE METHOD_UNKNOWN INTERNAL",
        "MACHINE_REQUIRED MACHINE_UNKNOWN SESSION_FOREIGN SCOPE_EXCEEDED",
      ]
        .join(" ")
        .split(" "),
    ),
  );
  for (const [call, listed] of reasonsOfCalls) {
    const provoked = Object.keys(provocations[call] ?? {});
    const here = listed.filter((reason) => !shownElsewhere.has(`${call} ${reason}`));
    expect(here.toSorted(), call).toEqual(provoked.toSorted());
  }
});

const limitsOf: Record<string, Partial<StoreLimits>> = {
  "SendMessage LIMIT_REACHED": { maxMailBytes: 60_000 },
  "SendMessage QUEUE_FULL": { maxQueueMessages: 8 },
};

test.each(
  Object.entries(provocations).flatMap(([call, reasons]) =>
    Object.entries(reasons).map(([reason, provoke]) => [call, reason, provoke] as const),
  ),
)("%s fails with %s", async (call, reason, provoke) => {
  const failures: Failures = {};
  const store = await placeStore(limitsOf[`${call} ${reason}`] ?? {}, failures);
  if (`${call} ${reason}` === "Register LIMIT_REACHED") {
    for (let number = 3; number <= 10_000; number++) await store.peers.create(peer(number));
  }
  await using broker = await startTestBroker({ store, clock });
  const scene = {
    broker,
    operator: broker.client(operatorToken),
    api:
      reason === "LIMIT_REACHED" && call === "Register"
        ? never
        : await broker.join({ name: "api" }),
    web:
      reason === "LIMIT_REACHED" && call === "Register"
        ? never
        : await broker.join({ name: "web" }),
    failures,
  };
  const told = await provoke(scene).then(entryReasonIn, reasonIn);
  if (reason === "FIELD_*") expect(told).toMatch(/^FIELD_/);
  else expect(told).toBe(reason);
  expect(told in ErrorReason).toBe(true);
  for (const failing of Object.keys(failures)) Reflect.deleteProperty(failures, failing);
});

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody asks for it
const never = undefined as unknown as TestPeer;

function entryReasonIn(answer: unknown): string {
  const { results = [] } = answer as { results?: Parameters<typeof entryReason>[0][] };
  return results.map(entryReason).find((reason) => reason !== undefined) ?? "no failure";
}

/** A store that can be told to fail, with two peers whose ids have one ending. */
async function placeStore(limits: Partial<StoreLimits>, failures: Failures): Promise<Store> {
  const store = openMemoryStore({ clock, limits });
  for (const number of [1, 2]) await store.peers.create(peer(number));
  const guard = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          const code = failures[name as keyof Failures];
          if (code !== undefined) return Promise.reject(new StoreError(code, "as the test wants"));
          const result: unknown = Reflect.apply(value, target, args);
          return name === "open" ? guard(result as object) : result;
        };
      },
    });
  const { peers, queues, history } = store;
  return { ...store, peers: guard(peers), queues: guard(queues), history: guard(history) };
}

function peer(number: number): Parameters<Store["peers"]["create"]>[0] {
  const part = String(number).padStart(4, "0");
  const now = clock.now();
  return {
    peerId: `019a0000-0000-7000-8000-${part}${number < 3 ? twins : part.repeat(2)}`,
    name: `twin-${number}`,
    kind: PeerKind.PROGRAM,
    profile: create(ProfileSchema),
    createTimeMs: now,
    lastSeenMs: now,
    secretHash: createHash("sha256").update(part).digest("hex"),
    baseName: "twin",
    number,
    epoch: 1,
    instanceId: "",
    conversations: [],
    formerNames: [],
    mutedUntilMs: 0,
    revision: 1,
  };
}

/** The first events of a stream. */
async function firstOf(stream: AsyncIterable<unknown>, count = 1): Promise<void> {
  let rest = count;
  for await (const _ of stream) if (--rest === 0) return;
}
