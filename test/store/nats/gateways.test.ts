import { afterAll, beforeAll, describe, onTestFinished } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { defineGatewayContract } from "../../contract/gateway-contract.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import { optionsFor } from "./open-link.js";
import { newPrefix } from "./peers/open-peers.js";

/** Each broker has a store of its own over the one server. */
describe.skipIf(isNatsMissing())("over one NATS server", () => {
  let server: NatsServer;
  beforeAll(async () => void (server = await startNats()));
  afterAll(() => server[Symbol.asyncDispose]());
  defineGatewayContract({
    name: "NATS",
    share: async () => {
      const nats = optionsFor(server, { prefix: newPrefix() });
      const limits = { ...storeLimits, maxMailBytes: 16 * 1024 * 1024 };
      return async () => {
        const facts = { version: "1.2.3", clock: systemClock, limits, tell: () => {} };
        const store = await openNatsStore({ nats, ...facts });
        onTestFinished(() => store[Symbol.asyncDispose]());
        return store;
      };
    },
  });
});
