import { expect, test } from "vitest";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { sleep, systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { eventually, startTestBroker } from "../support/test-broker.js";
import { peersOf } from "../contract/store/records.js";

const KiB = 1024;

test("a stream whose reader lags while another session takes over forgets nothing of the newer one", async () => {
  const store = openMemoryStore({ clock: systemClock });
  await using broker = await startTestBroker({ store });
  const identity = { name: "reader", conversationId: "claude-code:1", kind: PeerKind.AGENT };
  const older = await broker.join({ ...identity, instanceId: "older" });
  const sender = await broker.join({ name: "sender" });
  for (let index = 0; index < 60; index++) {
    const text = `${index} ${"x".repeat(10 * KiB)}`;
    await sender.client.sendMessage({ to: ["reader"], text });
  }
  // More than it takes without being read: its handler waits in the broker.
  const lagging = older.subscribe();
  await lagging.expect("started");
  await sleep(100);
  const newer = await broker.join({
    ...identity,
    secret: older.secret,
    instanceId: "newer",
  });
  const stream = newer.subscribe();
  await stream.expect("started");
  const liveInstance = async (): Promise<string | undefined> =>
    (await peersOf(store)).find(({ name }) => name === "reader")?.instanceId;
  await eventually(async () => expect(await liveInstance()).toBe("newer"));

  // The older stream comes to its end only now. Whose return a broker waits for after its own end stays noted.
  await lagging.failure();
  await sleep(200);
  expect(await liveInstance()).toBe("newer");
  await stream.cancel();
});
