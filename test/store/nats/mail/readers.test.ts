import { expect, test } from "vitest";
import { systemClock } from "../../../../src/clock.js";
import { Queue } from "../../../../src/store/nats/mail/open-mail.js";
import { Readers } from "../../../../src/store/nats/mail/readers.js";

test("a reader is woken after the call, and before the next turn of the event loop", async () => {
  const queue = new Queue();
  const readers = new Readers(
    {
      queue: () => queue,
      toldSeq: 0,
      catchUp: async () => {},
      lease: async () => ({ state: "gone" }),
    },
    systemClock,
  );
  const told: string[] = [];
  const listener = { wake: () => void told.push("woken"), damaged() {} };
  const reader = readers.open({ peerId: "a", epoch: 1 }, listener);
  expect(await reader.next({ maxMessages: 1, maxBytes: 1000 })).toEqual([]);
  const turn = new Promise<void>((resolve) => {
    setImmediate(() => {
      told.push("next turn");
      resolve();
    });
  });
  readers.claim("a", 10)?.release();
  expect(told).toEqual([]);
  await turn;
  expect(told).toEqual(["woken", "next turn"]);
});
