import { describe, expect, onTestFinished, test } from "vitest";
import { Outcome } from "../../../gen/peerline/v1/broker_service_pb.js";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { eventually, reasonOf, startTestBroker } from "../../support/test-broker.js";
import { optionsFor, startServer } from "./open-link.js";

describe.skipIf(isNatsMissing())("while the engine is away", () => {
  test("sends fail by name, all else that is known goes on, and nothing has to come back by itself", async () => {
    const server = await startServer();
    const store = await openNatsStore({
      nats: optionsFor(server),
      version: "1.2.3",
      clock: systemClock,
      limits: { ...storeLimits, maxMailBytes: 16 * 1024 * 1024 },
      tell: () => {},
    });
    onTestFinished(() => store[Symbol.asyncDispose]());
    await using broker = await startTestBroker({ store, keepStore: true });
    const alice = await broker.join({ name: "alice" });
    const bob = await broker.join({ name: "bob" });
    const stream = bob.subscribe();
    await stream.expect("started");
    await alice.client.sendMessage({ to: ["bob"], text: "before" });
    const before = await stream.expect("delivery");

    await server.kill();
    const sending = reasonOf(alice.client.sendMessage({ to: ["bob"], text: "meanwhile" }));
    const acks = [{ deliveryId: before.deliveryId, outcome: Outcome.CONFIRMED }];
    const report = bob.client.ackMessages({ acks });
    await eventually(async () => {
      const { store: info } = await alice.client.getServerInfo({});
      expect(info?.writable).toBe(false);
      expect(info?.problem).toMatch(/NATS/);
    });
    const { peers } = await alice.client.listPeers({});
    expect(peers.map(({ name, online }) => [name, online])).toContainEqual(["bob", true]);
    expect((await alice.client.getPeer({ peer: "bob" })).peer?.name).toBe("bob");
    expect(await sending).toBe("STORE_UNAVAILABLE");
    const [result] = (await report).results;
    expect(result?.error?.message).toMatch(/NATS|JetStream/);

    await server.restart();
    await eventually(() => alice.client.sendMessage({ to: ["bob"], text: "after" }));
    const after = await stream.expect("delivery");
    expect([after.message?.text, after.redelivered]).toEqual(["after", false]);
    const again = await bob.client.ackMessages({ acks });
    expect(again.results[0]?.error).toBeUndefined();
    await eventually(async () => {
      expect((await alice.client.getServerInfo({})).store?.writable).toBe(true);
    });
    // It was not sent: its sender was told so.
    const { records } = await alice.client.listMessages({});
    expect(records.map(({ message }) => message?.text)).toEqual(["after", "before"]);
    await stream.cancel();
  }, 60_000);
});
