import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { v7 as uuidv7 } from "uuid";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { QueueReader } from "../../src/broker/store/queues.js";
import type { Store } from "../../src/broker/store/store.js";
import { systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { natsTechnology } from "../store/nats/nats-technology.js";
import { isNatsMissing } from "../support/nats-programs.js";
import { startNats, type NatsServer } from "../support/nats-server.js";
import { eventually, newSecret, operatorToken, startTestBroker } from "../support/test-broker.js";
import { listStored } from "./broker-process.js";
import { check, type StoredMessage, type ViolationKind } from "./checker.js";
import type { Operation, Report } from "./history.js";
import { LightAdapter } from "./light-adapter.js";
import { Random } from "./random.js";
import { compose, sendUntilAccepted } from "./sender.js";

const { PRESENTED, CONFIRMED } = ReceiptState;

const liars: [string, ViolationKind[], (store: Store) => Store][] = [
  ["drops messages", ["lost"], dropSome],
  ["duplicates messages", ["duplicated", "repeated"], duplicateSome],
  ["reorders messages", ["reordered"], reorder],
  ["confirms too early", ["premature"], confirmEarly],
  ["forgets confirmations", ["revived", "unsettled"], forgetConfirmations],
  ["does not mark what it offers again", ["repeated"], leaveUnmarked],
];

type OpenStore = () => Promise<Store>;

describe("over memory", () => {
  defineTwins(async () => openMemoryStore({ clock: systemClock }));
});

describe.skipIf(isNatsMissing())("over NATS", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const technology = natsTechnology("NATS", () => server);
  defineTwins(() => technology.open({ folder: uuidv7(), clock: systemClock, limits: {} }));
});

function defineTwins(openStore: OpenStore): void {
  test("an honest store is found honest", async () => {
    expect(await judge(openStore, (store) => store)).toEqual(new Set());
  });

  test.each(liars)("a store that %s is caught: %s", async (_name, caught, lie) => {
    expect([...(await judge(openStore, lie, caught))]).toEqual(expect.arrayContaining(caught));
  });
}

test.each([
  ["as another peer, under another name", newSecret(), ["another"]],
  ["as a peer that has another's name and mail", "carol", ["another", "phantom"]],
])("one that comes back %s is caught: %s", async (_name, secret, caught) => {
  const history: Operation[] = [];
  const record = (operation: Operation): void => void history.push(operation);
  await using broker = await startTestBroker();
  const secrets = new Map(["alice", "bob", "carol"].map((name) => [name, newSecret()]));
  const join = (name: string, as = name) =>
    new LightAdapter({
      name,
      secret: secrets.get(as) ?? as,
      addresses: [broker.address],
      record,
      random: new Random(name),
      returnPercent: 0,
      thinkMs: () => 0,
    });
  await using alice = join("alice");
  for (const name of ["bob", "carol", "bob", "carol"]) {
    const visitor = join(name);
    await visitor.live();
    await visitor[Symbol.asyncDispose]();
  }
  const message = compose("alice", 1, ["carol"]);
  await sendUntilAccepted({ peer: "alice", message, adapter: alice, record });
  expect(check(history, []).violations.map(({ kind }) => kind)).not.toContain("another");

  const impostor = join("bob", secret);
  await impostor.live();
  // What waits for carol comes to whoever has her peer.
  if (secret === "carol") {
    await eventually(() =>
      expect(history).toContainEqual(expect.objectContaining({ act: "deliver", peer: "bob" })),
    );
  }
  await impostor[Symbol.asyncDispose]();
  const stored = await listStored(broker.client(operatorToken));
  const found = new Set(check(history, stored).violations.map(({ kind }) => kind));
  expect([...found]).toEqual(expect.arrayContaining(caught));
});

const messages = 20;

/** What the checker finds when alice writes to bob, who is killed twice. It goes on until these are found. */
async function judge(
  openStore: OpenStore,
  lie: (store: Store) => Store,
  caught: readonly ViolationKind[] = [],
): Promise<Set<ViolationKind>> {
  const history: Operation[] = [];
  const record = (operation: Operation): void => void history.push(operation);
  await using broker = await startTestBroker({
    store: lie(await openStore()),
  });
  const secrets = new Map(["alice", "bob"].map((name) => [name, newSecret()]));
  const join = (name: string, thinkMs: number) =>
    new LightAdapter({
      name,
      secret: secrets.get(name) ?? "",
      addresses: [broker.address],
      record,
      random: new Random(name),
      returnPercent: 0,
      thinkMs: () => thinkMs,
    });
  const operator = broker.client(operatorToken);
  const reported = (outcome: Report["outcome"]): Set<string> => {
    const reports = history.filter((operation) => operation.act === "report");
    const taken = reports.filter((report) => report.phase === "ok" && report.outcome === outcome);
    return new Set(taken.map(({ key }) => key));
  };
  const found = async (): Promise<ViolationKind[]> =>
    check(history, await listStored(operator)).violations.map(({ kind }) => kind);

  await using alice = join("alice", 0);
  // Bob exists, and is away while alice writes.
  const absent = join("bob", 0);
  await absent.live();
  await absent[Symbol.asyncDispose]();
  for (let number = 1; number <= messages; number++) {
    const message = compose("alice", number, ["bob"]);
    await sendUntilAccepted({ peer: "alice", message, adapter: alice, record });
  }

  // Killed between presenting and confirming; what it presented was reported by then.
  const slow = join("bob", 60_000);
  await eventually(() => expect(reported("presented").size).toBeGreaterThan(0));
  await slow[Symbol.asyncDispose]();

  const quick = join("bob", 0);
  // A liar may call open what was confirmed.
  await eventually(async () => {
    const open = (await listStored(operator)).filter(isOpen);
    const confirmed = reported("confirmed");
    expect(confirmed.size).toBeGreaterThan(0);
    expect(open.filter(({ key }) => !confirmed.has(key))).toEqual([]);
  });
  await quick[Symbol.asyncDispose]();

  // Whatever is offered now should not be.
  const last = join("bob", 0);
  await last.live();
  await eventually(async () => expect(await found()).toEqual(expect.arrayContaining([...caught])));
  await last[Symbol.asyncDispose]();
  return new Set(await found());
}

function isOpen({ receipts }: StoredMessage): boolean {
  return receipts.some(({ state }) => state <= PRESENTED);
}

function dropSome(store: Store): Store {
  const nowhere = openMemoryStore({ clock: systemClock });
  const isNext = everyFifth();
  return alterQueueCalls(store, {
    enqueue: (draft, recipients) => (isNext() ? nowhere : store).queues.enqueue(draft, recipients),
  });
}

function duplicateSome(store: Store): Store {
  const isNext = everyFifth();
  return alterQueueCalls(store, {
    async enqueue(draft, recipients) {
      if (isNext()) await store.queues.enqueue({ ...draft, messageId: uuidv7() }, recipients);
      return store.queues.enqueue(draft, recipients);
    },
  });
}

function reorder(store: Store): Store {
  return alterQueues(store, (batch) => batch.toReversed());
}

function leaveUnmarked(store: Store): Store {
  return alterQueues(store, (batch) => batch.map((queued) => ({ ...queued, redelivered: false })));
}

function confirmEarly(store: Store): Store {
  return alterQueueCalls(store, {
    advance: (peerId, seq, change) =>
      store.queues.advance(
        peerId,
        seq,
        change.state === PRESENTED ? { ...change, state: CONFIRMED } : change,
      ),
  });
}

function forgetConfirmations(store: Store): Store {
  return alterQueueCalls(store, {
    async advance(peerId, seq, change) {
      if (change.state !== CONFIRMED) return store.queues.advance(peerId, seq, change);
      const known = await store.queues.advance(peerId, seq, {});
      return { ...known, receipt: { ...known.receipt, state: CONFIRMED }, moved: true };
    },
  });
}

function everyFifth(): () => boolean {
  let count = 0;
  return () => ++count % 5 === 0;
}

type Batch = Awaited<ReturnType<QueueReader["next"]>>;

function alterQueues(store: Store, change: (batch: Batch) => Batch): Store {
  return alterQueueCalls(store, {
    open(of, wake) {
      const reader = store.queues.open(of, wake);
      return alter(reader, { next: async (credit) => change(await reader.next(credit)) });
    },
  });
}

function alterQueueCalls(store: Store, changes: Partial<Store["queues"]>): Store {
  return alter(store, { queues: alter(store.queues, changes) });
}

/** An object that does some things otherwise. */
function alter<T extends object>(honest: T, changes: Partial<T>): T {
  return new Proxy(honest, {
    get(_target, name) {
      const value: unknown = Reflect.get(name in changes ? changes : honest, name);
      return typeof value === "function" ? value.bind(honest) : value;
    },
  });
}
