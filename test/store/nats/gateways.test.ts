import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Closing_Reason } from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import type { NatsOptions } from "../../../src/contract/nats-options.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { defineGatewayContract } from "../../contract/gateway-contract.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import {
  eventually,
  newSecret,
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
} from "../../support/test-broker.js";
import { optionsFor, startServer } from "./open-link.js";
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
      return async () => openStore(nats);
    },
  });
});

/** It ends with the test. */
async function openStore(nats: NatsOptions): Promise<Store> {
  const limits = { ...storeLimits, maxMailBytes: 16 * 1024 * 1024 };
  const facts = { version: "1.2.3", clock: systemClock, limits, tell: () => {} };
  const store = await openNatsStore({ nats, ...facts });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

describe.skipIf(isNatsMissing())("a broker that is cut off from NATS", () => {
  test("gives its peers up to another, and ends their sessions when it is back", async () => {
    const { server, one, two } = await startTwo();
    const secret = newSecret();
    const api = await one.join({ secret, name: "api", instanceId: "1" });
    const old = api.subscribe();
    await old.expect("started");
    const web = await two.join({ name: "web" });
    const operator = two.client(operatorToken);
    await eventually(async () =>
      expect((await operator.getPeer({ peer: "api" })).peer?.online).toBe(true),
    );
    server.relay.hold("asks", "answers");
    // Nobody knows for a while whether it is gone.
    expect(await reasonOf(two.join({ secret, instanceId: "2" }))).toBe("PEER_LIVE");
    await web.client.sendMessage({ to: ["api"], text: "meanwhile" });
    const next = await eventually(() => two.join({ secret, instanceId: "2" }));
    expect(next.registered).toMatchObject({ created: false, epoch: 2n });
    const stream = next.subscribe();
    await stream.expect("started");
    expect((await stream.expect("delivery")).message?.text).toBe("meanwhile");
    server.relay.hold();
    expect(await old.expect("closing")).toMatchObject({ reason: Closing_Reason.SUPERSEDED });
    expect(await reasonOf(api.client.getPeer({}))).toBe("TOKEN_INVALID");
    expect(await reasonOf(one.join({ secret, instanceId: "3" }))).toBe("PEER_LIVE");
    await stream.cancel();
  });

  test("takes its clients back, with what it accepted, where nobody took their peers", async () => {
    const { server, one, two } = await startTwo();
    const api = await one.join({ name: "api", instanceId: "1" });
    const stream = api.subscribe();
    await stream.expect("started");
    const web = await two.join({ name: "web" });
    const seen = async () => {
      const { peers } = await two.client(operatorToken).listPeers({});
      return peers.find(({ name }) => name === "api")?.online;
    };
    await eventually(async () => expect(await seen()).toBe(true));
    server.relay.hold("asks", "answers");
    await eventually(async () => expect(await seen()).toBe(false));
    await web.client.sendMessage({ to: ["api"], text: "meanwhile" });
    server.relay.hold();
    expect((await stream.expect("delivery")).message?.text).toBe("meanwhile");
    await eventually(async () => expect(await seen()).toBe(true));
    await stream.cancel();
  });
});

/** Two brokers; the link of the first one can be cut. */
async function startTwo() {
  const server = await startServer({ isRelayed: true });
  const one = await startBroker(optionsFor(server));
  const two = await startBroker(optionsFor({ url: `nats://127.0.0.1:${server.port}` }));
  return { server, one, two };
}

async function startBroker(nats: NatsOptions): Promise<TestBroker> {
  const broker = await startTestBroker({ store: await openStore(nats), keepStore: true });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return broker;
}
