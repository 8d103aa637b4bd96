import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PeerRefSchema, ReceiptSchema } from "../../gen/peerline/v1/message_pb.js";
import { maxWatchLag } from "../../src/broker/limits.js";
import { Receipts } from "../../src/broker/delivery/receipts.js";
import { watchMessages } from "../../src/broker/calls/watch-messages.js";
import { systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../../src/store/memory/memory-store.js";
import { reasonIn } from "../support/test-broker.js";

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
    receipts.moved(create(PeerRefSchema), String(index), create(ReceiptSchema));
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
