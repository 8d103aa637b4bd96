import { expect, test } from "vitest";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { followLog, type LogProgress } from "../../src/cli/follow-log.js";
import type { Operator } from "../../src/cli/operator.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  eventually,
  operatorToken,
  startTestBroker,
  type TestBroker,
} from "../support/test-broker.js";

test("lists the newest, then shows messages and receipts as they happen", async () => {
  await using broker = await startTestBroker();
  const { say, hear } = await talkers(broker);
  for (const text of ["one", "two", "three"]) await say(text);
  const log = follow(broker, { number: 2 });
  await eventually(() => expect(log.texts).toEqual(["two", "three"]));
  await say("four");
  await eventually(() => expect(log.texts).toEqual(["two", "three", "four"]));
  await hear();
  await eventually(() => expect(log.states).toContain(ReceiptState.LEASED));
  await log.end();
});

test("called again it shows what was missed, once, and nothing from before", async () => {
  await using broker = await startTestBroker();
  const { say } = await talkers(broker);
  for (const text of ["old", "one"]) await say(text);
  const progress: LogProgress = { known: new Set(), hasListed: false };
  const first = follow(broker, { number: 1, progress });
  await eventually(() => expect(first.texts).toEqual(["one"]));
  await say("two");
  await eventually(() => expect(first.texts).toEqual(["one", "two"]));
  await first.end();
  await say("three");
  const second = follow(broker, { number: 1, progress });
  await eventually(() => expect(second.texts).toEqual(["three"]));
  await say("four");
  await eventually(() => expect(second.texts).toEqual(["three", "four"]));
  await second.end();
});

test("asked for none it lists none, and later none of those either", async () => {
  await using broker = await startTestBroker();
  const { say } = await talkers(broker);
  await say("old");
  const progress: LogProgress = { known: new Set(), hasListed: false };
  const first = follow(broker, { number: 0, progress });
  await eventually(() => expect(first.live).toBe(true));
  await eventually(() => expect(progress.hasListed).toBe(true));
  await first.end();
  const second = follow(broker, { number: 0, progress });
  await say("new");
  await eventually(() => expect(second.texts).toEqual(["new"]));
  await second.end();
});

test("called again it shows what was missed, though the clock was set back meanwhile", async () => {
  const clock = new StoppedClock();
  await using broker = await startTestBroker({ clock });
  const { say } = await talkers(broker);
  for (const text of ["old", "one"]) await say(text);
  const progress: LogProgress = { known: new Set(), hasListed: false };
  const first = follow(broker, { number: 1, progress });
  await eventually(() => expect(first.texts).toEqual(["one"]));
  await first.end();
  clock.setForward(-3_600_000);
  for (const text of ["two", "three"]) await say(text);
  const second = follow(broker, { number: 1, progress });
  await eventually(() => expect(second.texts).toEqual(["two", "three"]));
  await second.end();
});

async function talkers(broker: TestBroker) {
  const api = await broker.join({ name: "api" });
  const web = await broker.join({ name: "web" });
  return {
    say: (text: string) => api.client.sendMessage({ to: ["web"], text }),
    hear: async () => {
      const stream = web.subscribe();
      await stream.expect("started");
      await stream.expect("delivery");
      await stream.cancel();
    },
  };
}

/** A log that is followed until `end`. */
function follow(broker: TestBroker, options: { number: number; progress?: LogProgress }) {
  const interruption = new AbortController();
  const seen = { texts: [] as string[], states: [] as ReceiptState[], live: false };
  const client = broker.client(operatorToken);
  const operator = { client } as Operator;
  const following = followLog(operator, {
    number: options.number,
    progress: options.progress ?? { known: new Set(), hasListed: false },
    onLive: () => {
      seen.live = true;
    },
    onRecord: async ({ message }) => void seen.texts.push(message?.text ?? ""),
    onMoved: async ({ receipt }) => void seen.states.push(receipt?.state ?? 0),
    signal: interruption.signal,
  });
  const ended = following.catch((error: unknown) => error);
  return Object.assign(seen, {
    async end() {
      interruption.abort();
      expect(await ended).toMatchObject({ name: "RpcError" });
    },
  });
}
