import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import {
  eventually,
  reasonIn,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

describe("how a peer is reached", () => {
  let broker: TestBroker;
  let api: TestPeer;
  let web: TestPeer;

  beforeEach(async () => {
    broker = await startTestBroker();
    api = await broker.join({ name: "api" });
    web = await broker.join({ name: "web" });
  });

  afterEach(() => broker[Symbol.asyncDispose]());

  /** What a send to `web` says, and what a list of the peers says. */
  async function reachOfWeb(): Promise<(Reach | undefined)[]> {
    const { results } = await api.client.sendMessage({ to: ["web"], text: randomUUID() });
    const { peers } = await api.client.listPeers({});
    return [results[0]?.reach, peers.find(({ name }) => name === "web")?.reach];
  }

  test("is stored without a stream, and the next turn with one that says nothing", async () => {
    expect(await reachOfWeb()).toEqual([Reach.STORED, Reach.STORED]);
    const stream = web.subscribe();
    await stream.expect("started");
    expect(await reachOfWeb()).toEqual([Reach.NEXT_TURN, Reach.NEXT_TURN]);
    await stream.cancel();
  });

  test.each([Reach.STORED, Reach.NEXT_TURN, Reach.WAKES])(
    "is what the session says when it subscribes: %s",
    async (reach) => {
      const stream = web.subscribe({ reach });
      await stream.expect("started");
      expect(await reachOfWeb()).toEqual([reach, reach]);
      await stream.cancel();
    },
  );

  test("changes while the stream is open, and who watches the peers hears of it", async () => {
    const stream = web.subscribe({ reach: Reach.STORED });
    await stream.expect("started");
    const seen: Reach[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      for await (const { event } of api.client.watchPeers({}, { signal: watching.signal })) {
        if (event.case === "peer" && event.value.name === "web") seen.push(event.value.reach);
      }
    })().catch(() => undefined);
    await eventually(() => expect(seen).toEqual([Reach.STORED]));
    const { peer } = await web.client.updatePeer({ reach: Reach.WAKES });
    expect(peer?.reach).toBe(Reach.WAKES);
    await eventually(() => expect(seen.at(-1)).toBe(Reach.WAKES));
    expect(await reachOfWeb()).toEqual([Reach.WAKES, Reach.WAKES]);
    watching.abort();
    await watch;
    await stream.cancel();
  });

  test("is said anew with each stream", async () => {
    const first = web.subscribe({ reach: Reach.WAKES });
    await first.expect("started");
    const second = web.subscribe();
    await second.expect("started");
    expect(await reachOfWeb()).toEqual([Reach.NEXT_TURN, Reach.NEXT_TURN]);
    await first.cancel();
    await second.cancel();
  });

  test("leaves the peer's record alone", async () => {
    const { peer: before } = await web.client.updatePeer({ summary: "refactoring" });
    const { peer: after } = await web.client.updatePeer({ reach: Reach.WAKES });
    expect(after?.lastSeenTime).toEqual(before?.lastSeenTime);
    expect(after?.profile?.summary).toBe("refactoring");
  });

  test("is refused where it is no reach, and the field is named", async () => {
    const unknown = 9 as Reach;
    expect(await reasonOf(web.client.updatePeer({ reach: Reach.UNSPECIFIED }))).toBe(
      "FIELD_INVALID",
    );
    expect(await reasonOf(web.client.updatePeer({ reach: unknown }))).toBe("FIELD_INVALID");
    expect(reasonIn(await web.subscribe({ reach: unknown }).failure())).toBe("FIELD_INVALID");
  });
});
