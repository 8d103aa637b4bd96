import { join } from "node:path";
import { expect, test } from "vitest";
import {
  creationBurstOfNewcomers,
  maxCreationBurst,
  maxCreationBurstOfConnection,
} from "../../src/broker/limits.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { eventually, newSecret, startTestBroker, type TestBroker } from "../support/test-broker.js";
import { WithholdingProxy } from "../support/withholding-proxy.js";
import { TestHome } from "./test-home.js";

test("an agent that the broker makes no peer for yet waits for as long as it was told, and gets its peer", async () => {
  const clock = new StoppedClock();
  await using broker = await startTestBroker({ store: openMemoryStore({ clock }), clock });
  await using home = await TestHome.open();
  const socket = join(home.path, "p.sock");
  await using proxy = await WithholdingProxy.listen(socket, broker.address.slice("unix:".length));
  await useUpCreations(broker);

  const cwd = home.path;
  const agent = await home.start("late", { cwd, env: { PEERLINE_BROKER: `unix:${socket}` } });
  await eventually(() => expect(agent.log).toContain("too many new peers at once"));
  // Each attempt looks whether there is a broker, and connects.
  await eventually(() => expect(proxy.joinedMs.length).toBeGreaterThanOrEqual(6));
  const gapsMs = proxy.joinedMs.slice(1, 6).map((ms, index) => ms - (proxy.joinedMs[index] ?? 0));
  // It was told a second.
  const waitsMs = gapsMs.toSorted((a, b) => b - a).slice(0, 2);
  expect(Math.min(...waitsMs)).toBeGreaterThanOrEqual(1000);
  clock.advance(1000);
  await eventually(() => expect(agent.log).toContain("as late"));
  expect((await agent.facts("list_peers")).you.name).toBe("late");
});

/** Makes as many peers as the broker makes while its time stands still. */
async function useUpCreations(broker: TestBroker): Promise<void> {
  const make = async (count: number): Promise<void> => {
    const client = broker.client();
    for (let made = 0; made < count; made++) await client.register({ secret: newSecret() });
  };
  const forAll = maxCreationBurst - creationBurstOfNewcomers;
  const connections = { length: forAll / maxCreationBurstOfConnection };
  await Promise.all(Array.from(connections, () => make(maxCreationBurstOfConnection)));
  await Promise.all(Array.from({ length: creationBurstOfNewcomers }, () => make(1)));
}
