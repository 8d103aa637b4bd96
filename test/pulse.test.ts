import { expect, test } from "vitest";
import { Pulse } from "../src/pulse.js";

test("a beat wakes all who wait, and not those who come later", async () => {
  const pulse = new Pulse();
  const { signal } = new AbortController();
  const both = Promise.all([pulse.next(signal), pulse.next(signal)]);
  pulse.beat();
  await both;
  const later = new AbortController();
  const waiting = pulse.next(later.signal);
  later.abort(new Error("nothing came"));
  await expect(waiting).rejects.toThrow("nothing came");
});

test("rejects with the signal's reason, also when it had aborted before", async () => {
  const pulse = new Pulse();
  await expect(pulse.next(AbortSignal.abort(new Error("over")))).rejects.toThrow("over");
});
