import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { settingNames, settings, usualSettings } from "../../src/contract/settings.js";
import { RpcError } from "../../src/rpc/error.js";
import { storeLimitsOf } from "../../src/store/limits.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { startTestBroker, type TestPeer } from "../support/test-broker.js";

const raised = {
  ...usualSettings,
  program_send_burst: 900,
  program_sends_per_second: 50,
  peers: 20,
  queue_messages: 8000,
  closed_messages_days: 3,
};

test("a program sends as much as the operator allows; an agent and a person as much as ever", async () => {
  const clock = new StoppedClock();
  await using broker = await startTestBroker({ clock, settings: { ...raised, peers: 100 } });
  const readers = Array.from({ length: 25 }, (_, index) => `reader-${index}`);
  for (const name of readers) await broker.join({ name });
  const sent: Record<string, unknown> = {};
  for (const kind of ["PROGRAM", "AGENT", "PERSON", "UNSPECIFIED"] as const) {
    const from = await broker.join({ name: kind.toLowerCase(), kind: PeerKind[kind] });
    sent[kind] = await sendUntilRefused(from, readers);
  }
  const usual = { messages: 600, limit: "sends_per_second", maximum: "10" };
  const asProgram = { messages: 900, limit: "program_sends_per_second", maximum: "50" };
  expect(sent).toEqual({
    PROGRAM: asProgram,
    AGENT: usual,
    PERSON: usual,
    UNSPECIFIED: asProgram,
  });
});

test("every setting is stated as it is in force", async () => {
  const clock = new StoppedClock();
  const store = openMemoryStore({ clock, limits: storeLimitsOf(raised) });
  await using broker = await startTestBroker({ clock, store, settings: raised });
  const { limits, dedupeWindow } = await broker.client().getServerInfo({});
  const stated = new Map(limits.map(({ name, maximum }) => [name, Number(maximum)]));
  expect(Object.fromEntries(settingNames.map((name) => [name, stated.get(name)]))).toEqual(raised);
  expect(dedupeWindow?.seconds).toBe(3n * 24n * 3600n);
});

test("no more peers are made than the operator allows", async () => {
  await using broker = await startTestBroker({ clock: new StoppedClock(), settings: raised });
  const names = Array.from({ length: raised.peers }, (_, index) => `peer-${index}`);
  for (const name of names) await broker.join({ name });
  await expect(broker.join({ name: "one-too-many" })).rejects.toThrow("the broker knows 20 peers");
});

test("each setting's usual value is within its bounds", () => {
  const outside = settingNames.filter((name) => {
    const { least, usual, most } = settings[name];
    return usual < least || usual > most;
  });
  expect(outside).toEqual([]);
});

async function sendUntilRefused(from: TestPeer, to: string[]): Promise<object> {
  for (let messages = 0; ; messages += to.length) {
    try {
      await from.client.sendMessage({ to, text: `${from.name} ${messages}` });
    } catch (error) {
      const info = error instanceof RpcError ? error.findDetail(ErrorInfoSchema) : undefined;
      if (info?.reason !== "RATE_LIMITED") throw error;
      return { messages, limit: info.metadata["limit"], maximum: info.metadata["maximum"] };
    }
  }
}
