import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PeerRefSchema, ReceiptSchema } from "../../gen/peerline/v1/message_pb.js";
import type { BrokerError } from "../../src/broker/broker-error.js";
import { maxWatchLag, maxWatchLagBytes } from "../../src/broker/limits.js";
import { Receipts } from "../../src/broker/delivery/receipts.js";
import { watchMessages } from "../../src/broker/calls/watch-messages.js";
import { systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { reasonIn } from "../support/test-broker.js";

const from = create(PeerRefSchema);
const receipt = create(ReceiptSchema);

test.each([
  ["as many events as may wait, gets them all", maxWatchLag, "SEEN ALL"],
  ["one more, gets those and is told that it fell behind", maxWatchLag + 1, "LIMIT_REACHED"],
])("a reader that lags by %s", async (_, events, ending) => {
  const receipts = new Receipts(openMemoryStore({ clock: systemClock }));
  const leaves = new AbortController();
  const core = { receipts, stopping: new AbortController().signal };
  const watch = watchMessages(core, leaves.signal);
  expect((await watch.next()).value.event.case).toBe("started");
  const first = watch.next();
  for (let index = 0; index < events; index += 1) {
    receipts.moved({ from, messageId: String(index), receipt });
  }
  const seen = [(await first).value.event.value.messageId];
  const end = await readOn();
  expect(seen).toEqual(Array.from({ length: maxWatchLag }, (_, index) => String(index)));
  expect(end).toBe(ending);

  async function readOn(): Promise<string> {
    try {
      while (seen.length < maxWatchLag) {
        seen.push((await watch.next()).value.event.value.messageId);
      }
      const last = watch.next();
      leaves.abort();
      return (await last).done === true ? "SEEN ALL" : "saw more";
    } catch (error) {
      return reasonIn(error);
    }
  }
});

test("a reader that lags by as many bytes as may wait is held no more, and told that it fell behind", async () => {
  const receipts = new Receipts(openMemoryStore({ clock: systemClock }));
  const core = { receipts, stopping: new AbortController().signal };
  const watch = watchMessages(core, new AbortController().signal);
  await watch.next();
  const first = watch.next();
  // Of 16 KiB each: far fewer than the events that may wait.
  const text = "x".repeat(16 * 1024);
  const most = Math.floor(maxWatchLagBytes / text.length);
  for (let index = 0; index < 4 * most; index++) {
    receipts.moved({ from, messageId: text, receipt });
  }
  let seen = 1;
  await first;
  const end: unknown = await (async () => {
    for (; ; seen++) await watch.next();
  })().catch((error: unknown) => error);
  expect(reasonIn(end)).toBe("LIMIT_REACHED");
  const { metadata } = (end as BrokerError).findDetail(ErrorInfoSchema) ?? {};
  expect(metadata).toMatchObject({
    limit: "watch_lag_bytes",
    maximum: String(maxWatchLagBytes),
  });
  expect(seen).toBeLessThanOrEqual(most);
  expect(seen).toBeGreaterThan(0.9 * most);
});
