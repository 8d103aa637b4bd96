import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { systemClock, type Clock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { natsTechnology } from "../store/nats/nats-technology.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";
import { workerUrl } from "../store/sqlite/built-worker.js";
import { isNatsMissing } from "../support/nats-programs.js";
import { startNats, type NatsServer } from "../support/nats-server.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { perform, type World } from "./model/actions.js";
import { DrivenBroker, type StorePlace } from "./model/driven-broker.js";
import { isOpen, Model } from "./model/model.js";
import { steps, type Step } from "./model/steps.js";

/** The time for new runs on one store; a counterexample is shrunk for longer. */
const runsMs = 8000;
const shrinkingMs = 60_000;

describe.each([
  { technology: "memory", placeStore: placeMemory },
  { technology: "sqlite", placeStore: placeSqlite },
])("the broker over $technology", ({ placeStore }) => defineRuns(placeStore));

describe.skipIf(isNatsMissing())("the broker over nats", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const technology = natsTechnology("NATS", () => server);
  defineRuns(async (clock) => {
    // Each place has streams of its own: they are emptied when the next one is opened.
    const folder = randomUUID();
    return {
      open: () => technology.open({ folder, clock, limits: {} }),
      close: async (store) => store[Symbol.asyncDispose](),
      [Symbol.asyncDispose]: async () => undefined,
    };
  });
});

function defineRuns(placeStore: (clock: Clock) => Promise<StorePlace>): void {
  test("does as the model does, whatever its peers do, and loses nothing", async () => {
    const endMs = performance.now() + runsMs;
    let hasFailed = false;
    const property = fc.asyncProperty(steps, async (todo) => {
      if (!hasFailed && performance.now() > endMs) return;
      hasFailed = true;
      await live(todo, placeStore);
      hasFailed = false;
    });
    await fc.assert(property, {
      numRuns: 30,
      interruptAfterTimeLimit: shrinkingMs,
      // One that hangs is no success.
      markInterruptAsFailure: true,
      examples: [[presentedInVain]],
    });
  }, 240_000);
}

/** What chance finds seldom: a message presented in an earlier stream, and reported as expired in the next. */
const presentedInVain: Step[] = [
  { do: "join", name: "api" },
  { do: "subscribe", peer: 0, credit: 2 },
  { do: "send", peer: 0, to: [0], minutes: 100 },
  { do: "report", peer: 0, delivery: 0, outcome: Outcome.PRESENTED },
  { do: "subscribe", peer: 0, credit: 2 },
  { do: "pass time", minutes: 101 },
  { do: "report", peer: 0, delivery: 0, outcome: Outcome.EXPIRED },
];

/** Does the steps, then lets every peer read all its mail. */
async function live(
  todo: readonly Step[],
  placeStore: (clock: Clock) => Promise<StorePlace>,
): Promise<void> {
  const clock = new MovedClock();
  const model = new Model(clock);
  const place = await placeStore(clock);
  await using broker = await DrivenBroker.open({ model, clock, place });
  const world: World = { model, clock, broker };
  for (const step of todo) {
    await perform(world, step);
    await broker.settle();
  }
  await readEverything(world);
  await broker.settle();
  const open = model.messages
    .flatMap(({ deliveries }) => [...deliveries.values()])
    .filter((delivery) => isOpen(delivery));
  expect(open).toEqual([]);
  // A broker that stops in good order tells what is still untold.
  await broker.restart();
  expect(await broker.countToldEnds()).toEqual(model.countBadEnds());
}

async function readEverything(world: World): Promise<void> {
  const { model, broker } = world;
  for (const index of model.peers.keys()) {
    await perform(world, { do: "return", peer: index, asNewInstance: true });
    await perform(world, { do: "subscribe", peer: index, credit: 1000 });
  }
  await broker.settle();
  for (const [index, peer] of model.peers.entries()) {
    const leases = [...(peer.stream?.leases.keys() ?? [])];
    const received = [...peer.received.keys()].toReversed();
    for (const deliveryId of leases) {
      const delivery = received.indexOf(deliveryId);
      await perform(world, { do: "report", peer: index, delivery, outcome: Outcome.CONFIRMED });
    }
  }
}

/**
 * What the broker does by itself after a while, it does after that while of the test: at which of the
 * steps is not for the model to say.
 */
class MovedClock extends StoppedClock {
  override after(ms: number, act: () => void): Disposable {
    return systemClock.after(ms, act);
  }
}

async function placeMemory(clock: Clock): Promise<StorePlace> {
  const store = openMemoryStore({ clock });
  return {
    open: async () => store,
    close: async () => undefined,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function placeSqlite(clock: Clock): Promise<StorePlace> {
  const folder = await mkdtemp(join(tmpdir(), "pl-"));
  return {
    open: () => openSqliteStore({ path: join(folder, "peerline.db"), clock, workerUrl }),
    close: async (store) => store[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
