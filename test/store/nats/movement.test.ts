import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe } from "vitest";
import type { MovableStore } from "../../../src/broker/store/transfer.js";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import { connectLink } from "../../../src/store/nats/connect.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { Publisher } from "../../../src/store/nats/publish.js";
import { recordCopies } from "../../../src/store/nats/record-copies.js";
import { streamNames } from "../../../src/store/nats/streams.js";
import { defineMoveContract, type MovableTechnology } from "../../contract/store/movement.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import { optionsFor } from "./open-link.js";

describe.skipIf(isNatsMissing())("NATS", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** How each store that is open was opened. */
  const opened = new Map<
    MovableStore,
    Parameters<MovableTechnology["open"]>[0] & { prefix: string }
  >();

  const open = async (
    how: Parameters<MovableTechnology["open"]>[0] & { prefix: string },
  ): Promise<MovableStore> => {
    const { prefix, clock, limits } = how;
    const nats = optionsFor(server, { prefix });
    const maxMailBytes = 16 * 1024 * 1024;
    const store = await openNatsStore({
      nats,
      version: "1.2.3",
      clock,
      limits: { ...storeLimits, maxMailBytes, ...limits },
      tell: () => {},
    });
    const link = await connectLink(nats, { version: "1.2.3", clock: systemClock });
    const publisher = new Publisher({ link, clock: systemClock });
    const movable: MovableStore = {
      ...store,
      records: recordCopies({ link, publisher, names: streamNames(prefix), prefix }),
      async [Symbol.asyncDispose]() {
        if (!opened.delete(movable)) return;
        await publisher[Symbol.asyncDispose]();
        await link[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
      },
    };
    opened.set(movable, how);
    return movable;
  };

  defineMoveContract({
    name: "NATS",
    isDurable: true,
    keepsCopies: true,
    open: (how) => open({ ...how, prefix: `team-${randomUUID().slice(0, 8)}` }),
    async serve(store) {
      const how = opened.get(store);
      if (how === undefined) throw new Error("a store that is not open");
      await store[Symbol.asyncDispose]();
      return open(how);
    },
  });
});
