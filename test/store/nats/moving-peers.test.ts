import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { storeLimits } from "../../../src/store/limits.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { startNatsCluster, type NatsCluster } from "../../support/nats-cluster.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import {
  eventually,
  newSecret,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../../support/test-broker.js";
import { optionsFor } from "./open-link.js";
import { newPrefix } from "./peers/open-peers.js";

/** How many peers move. With more than the usual the times are printed. */
const peerCount = Number(process.env["PEERLINE_MOVING_PEERS"] ?? 12);

describe.skipIf(isNatsMissing())("two brokers over three servers", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await startNatsCluster();
  }, 60_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  async function startTwo(): Promise<[TestBroker, TestBroker]> {
    const prefix = newPrefix();
    const start = async (brokerId: string): Promise<TestBroker> => {
      const store = await openNatsStore({
        nats: optionsFor(cluster, { prefix }),
        version: "1.2.3",
        clock: systemClock,
        limits: { ...storeLimits, maxMailBytes: 64 * 1024 * 1024 },
        tell: () => {},
      });
      const broker = await startTestBroker({ store, brokerId });
      onTestFinished(() => broker[Symbol.asyncDispose]());
      return broker;
    };
    return [await start("one"), await start("two")];
  }

  test("a peer that moves to the other one hears its mail there", async () => {
    const [one, two] = await startTwo();
    const peers: { secret: string; peer: TestPeer }[] = [];
    for (let index = 0; index < peerCount; index++) {
      const secret = newSecret();
      const peer = await eventually(() =>
        one.join({ secret, name: `p${index}`, instanceId: secret }),
      );
      await peer.subscribe().expect("started");
      peers.push({ secret, peer });
    }
    const sender = await one.join({ name: "sender", kind: 2 });
    const times: number[] = [];
    for (const { secret, peer } of peers) {
      const text = `for ${peer.name}`;
      const sending = eventually(() => sender.client.sendMessage({ to: [peer.name], text }));
      peer.cut();
      const cutMs = performance.now();
      const moved = await two.join({ secret, name: peer.name, instanceId: secret });
      expect([moved.name, moved.registered.created]).toEqual([peer.name, false]);
      const stream = moved.subscribe();
      await stream.expect("started");
      const { message } = await stream.expect("delivery");
      times.push(performance.now() - cutMs);
      expect(message?.text).toBe(text);
      await sending;
    }
    for (const broker of [one, two]) {
      await eventually(async () => {
        const names = await namesAt(broker);
        expect(new Set(names).size).toBe(names.length);
        expect(names).toHaveLength(peerCount + 1);
      });
    }
    tell(`heard their mail at the other broker after`, times);
  }, 600_000);

  test("of those who ask both for one name at once one has it, and both agree", async () => {
    const [one, two] = await startTwo();
    for (let round = 0; round < peerCount; round++) {
      const name = `n${round}`;
      const joined = await Promise.all([one, two].map((broker) => broker.join({ name })));
      const names = joined.map((peer) => peer.name).toSorted((a, b) => a.length - b.length);
      expect(names).toEqual([name, `${name}-2`]);
      for (const peer of joined) peer.cut();
    }
    const [here, there] = await Promise.all([one, two].map(namesAt));
    expect(new Set(here).size).toBe(2 * peerCount);
    await eventually(async () => expect(await namesAt(two)).toEqual(here));
    expect(there).toHaveLength(2 * peerCount);
  }, 600_000);
});

async function namesAt(broker: TestBroker): Promise<string[]> {
  const operator = broker.client("operator-token-of-the-tests-0123456789");
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await operator.listPeers({ pageToken });
    names.push(...page.peers.map(({ name }) => name));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}

function tell(what: string, times: readonly number[]): void {
  if (process.env["PEERLINE_MOVING_PEERS"] === undefined) return;
  const sorted = times.toSorted((a, b) => a - b).map(Math.round);
  const middle = sorted[Math.floor(sorted.length / 2)];
  console.log(`${sorted.length} peers ${what} ${middle} ms (median), ${sorted.at(-1)} ms at most`);
}
