import { expect, test, vi } from "vitest";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { LineState } from "../../src/client/line.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { systemClock } from "../../src/clock.js";
import { eventually, reasonIn, startTestBroker } from "../support/test-broker.js";
import { WithholdingProxy } from "../support/withholding-proxy.js";
import { openTestLine } from "./test-line.js";

test("goes through its states: live, attaching when the connection is lost, live again, ended", async () => {
  await using broker = await startTestBroker();
  const states: LineState[] = [];
  const ci = await openTestLine(broker.address, "ci", {
    receives: true,
    onState: (state) => states.push(state),
  });
  ci.cut();
  await eventually(() => expect(states).toEqual(["live", "attaching", "live"]));
  await ci.line.close();
  await ci.line.close();
  expect(states).toEqual(["live", "attaching", "live", "ended"]);
  expect(ci.line.ended.reason).toMatchObject({ code: "CLOSED" });
  await expect(ci.line.send("ci", "hello")).rejects.toMatchObject({ code: "CLOSED" });
});

test("a send whose broker is replaced under it arrives once, at the new one", async () => {
  const store = openMemoryStore({ clock: systemClock });
  const first = await startTestBroker({ store, keepStore: true });
  let address = first.address;
  await using ci = await openTestLine(() => address, "ci");
  await first[Symbol.asyncDispose]();
  const sending = ci.line.send("ci", "hello");
  await using second = await startTestBroker({ store });
  ({ address } = second);
  const { messageId } = await sending;
  const again = await ci.line.send("ci", "hello", { messageId });
  expect(again.results).toMatchObject([{ duplicate: true }]);
});

test("a line that only sends takes no message, and leaves the session to others of its secret", async () => {
  await using broker = await startTestBroker();
  await using reader = await openTestLine(broker.address, "ci", { receives: true });
  const sender = await openTestLine(broker.address, "ci", { secret: reader.secret });
  const { results } = await sender.line.send("ci", "hello");
  expect(results).toMatchObject([{ recipient: { name: "ci" } }]);
  await sender.line.close();
  await eventually(() => expect(reader.line.mail.unread.count).toBe(1));
  expect([reader.line.state, sender.line.mail.unread.count]).toEqual(["live", 0]);
});

test("a refusal is told as the broker said it, and not tried again", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  const refused = await ci.line.send("nobody", "hello").catch((error: unknown) => error);
  expect(reasonIn(refused)).toBe(ErrorReason[ErrorReason.PEER_NOT_FOUND]);
});

test("data that JSON cannot hold is refused by the name of its field, and nothing is sent", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci", { receives: true });
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  const wrong: [unknown, string][] = [
    [{ a: Number.NaN }, "`data.a` must be JSON"],
    [{ a: [1, { b: Number.POSITIVE_INFINITY }] }, "`data.a.1.b` must be JSON"],
    [{ a: undefined }, "`data.a` must be JSON"],
    [{ when: new Date(0) }, "`data.when` must be JSON"],
    [{ a: 10n }, "`data.a` must be JSON"],
    [{ a: Object.assign([], { length: 2 }) }, "`data.a.0` must be JSON"],
    [[1, 2], "`data` must be a plain object"],
    ["text", "`data` must be a plain object"],
    [circle, "`data` must be at most 64 objects and arrays deep"],
  ];
  for (const [data, words] of wrong) {
    const sending = ci.line.send("ci", "hello", { data: data as never });
    await expect(sending).rejects.toThrow(words);
  }
  const late = ci.line.send("ci", "hello", { expiresInMs: Number.NaN });
  await expect(late).rejects.toThrow("`expiresInMs` must be a finite number");
  const data = { a: [1, null, { b: "two" }], c: true, d: -1.5, e: Object.create(null) as {} };
  await ci.line.send("ci", "hello", { data });
  await eventually(() => expect(ci.line.mail.unread.count).toBe(1));
  expect(ci.line.mail.inbox.list()[0]?.message.data).toEqual({ ...data, e: {} });
});

test("a call ends with its time, its signal, or trouble that lasts, and says why", async () => {
  const broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci", { callTimeoutMs: 300 });
  await using hopeless = await openTestLine(broker.address, "web", {
    isLasting: (_problem, wasLive) => wasLive,
  });
  await broker[Symbol.asyncDispose]();
  await expect(ci.line.send("ci", "hello")).rejects.toMatchObject({
    code: "UNREACHABLE",
    message: expect.stringMatching(/^The Peerline broker cannot be reached: /),
  });
  const given = new AbortController();
  const sending = ci.line.send("ci", "hello", { signal: given.signal });
  given.abort(new Error("no more"));
  await expect(sending).rejects.toThrow("no more");
  await expect(hopeless.line.send("ci", "hello")).rejects.toMatchObject({ code: "UNREACHABLE" });
});

test("a line in doubt gives a remote broker up that shows no life, and waits for one that does", async () => {
  await using broker = await startTestBroker();
  const path = broker.address.replace("unix:", "");
  await using link = await WithholdingProxy.listen(`${path}.link`, path);
  const states: LineState[] = [];
  await using ci = await openTestLine(`unix:${path}.link`, "ci", {
    receives: true,
    isRemote: () => true,
    // Longer than a line in doubt waits.
    callTimeoutMs: 2_500,
    onState: (state) => states.push(state),
  });
  const unanswered = ci.line.call((_client, { signal }) => waitForEnd(signal));
  await expect(unanswered).rejects.toMatchObject({ code: "UNREACHABLE" });
  await ci.line.send("ci", "hello");
  expect(states).toEqual(["live"]);

  link.withhold();
  await expect(ci.line.send("ci", "one")).rejects.toMatchObject({ code: "UNREACHABLE" });
  expect(states).toEqual(["live"]);
  await expect(ci.line.send("ci", "two")).rejects.toMatchObject({ code: "UNREACHABLE" });
  await eventually(() => expect(states).toEqual(["live", "attaching"]));
  link.release();
  await eventually(() => ci.line.send("ci", "three"));
  expect(states).toEqual(["live", "attaching", "live"]);
});

test("tells the broker how its client is reached, again after a loss", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci", { receives: true });
  const api = await broker.join({ name: "api" });
  const reachOf = async (): Promise<Reach | undefined> =>
    (await api.client.listPeers({})).peers.find(({ name }) => name === "ci")?.reach;
  ci.line.tellReach(Reach.WAKES);
  await eventually(async () => expect(await reachOf()).toBe(Reach.WAKES));
  ci.cut();
  await ci.line.ready();
  await eventually(async () => expect(await reachOf()).toBe(Reach.WAKES));
});

test("a line that only sends goes on though others of its secret end the session, again and again", async () => {
  await using broker = await startTestBroker();
  await using ci = await openTestLine(broker.address, "ci");
  let ends = 0;
  const answer = await ci.line.call(async (client, options) => {
    if (ends++ < 3) await client.unregister({}, options);
    return client.updatePeer({ name: "ci-again" }, options);
  });
  expect([answer.peer?.name, ends]).toEqual(["ci-again", 4]);
});

test("a listener that throws does not end the line: the process hears of it", async () => {
  await using broker = await startTestBroker();
  const thrown: (() => void)[] = [];
  using queue = vi.spyOn(globalThis, "queueMicrotask").mockImplementation((act) => {
    thrown.push(act);
  });
  const ci = await openTestLine(broker.address, "ci", { onState: fail, log: fail });
  await ci.line.close();
  queue.mockRestore();
  expect(ci.line.state).toBe("ended");
  expect(thrown.length).toBeGreaterThanOrEqual(3);
  expect(thrown[0]).toThrow("my own fault");
});

function fail(): never {
  throw new Error("my own fault");
}

async function waitForEnd(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(new Error("ended")));
  });
}
