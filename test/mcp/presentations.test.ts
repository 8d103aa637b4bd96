import { beforeEach, describe, expect, test } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy } from "../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../src/clock.js";
import type { HeldMessage } from "../../src/client/held-message.js";
import { Inbox } from "../../src/mcp/inbox.js";
import { maxShownMessages } from "../../src/mcp/limits.js";
import { Presentations } from "../../src/mcp/presentations.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { again, held } from "../client/held.js";

describe("Presentations", () => {
  let reports: string[];
  let inbox: Inbox;
  let presentations: Presentations;
  let clock: StoppedClock;

  beforeEach(() => {
    reports = [];
    clock = new StoppedClock();
    inbox = new Inbox({ clock: systemClock, onExpired: () => undefined });
    presentations = new Presentations({
      clock,
      inbox,
      report: ({ deliveryId }, outcome, confirmedBy) =>
        reports.push(`${deliveryId} ${Outcome[outcome]} ${ConfirmedBy[confirmedBy]}`),
    });
  });

  /** A call of `thread` begins, and takes these messages for its result. */
  function show(callId: number, messages: HeldMessage[], thread?: string): void {
    presentations.beginCall(thread);
    presentations.show(
      callId,
      thread,
      messages.map((message) => ({ held: message, part: 0, isLast: true })),
    );
  }

  function arrive(...deliveryIds: string[]): HeldMessage[] {
    const messages = deliveryIds.map((deliveryId) => held({}, { deliveryId }));
    for (const message of messages) inbox.deliver(message);
    return messages;
  }

  function arriveOne(deliveryId: string): HeldMessage {
    const [message] = arrive(deliveryId);
    if (message === undefined) throw new Error("nothing arrived");
    return message;
  }

  test("reports a message presented when its result has been written, not before", () => {
    const messages = arrive("a");
    show(1, messages);
    expect(inbox.list()).toEqual([]);
    expect(reports).toEqual([]);
    presentations.written(1);
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED"]);
  });

  test("the next call of the same context confirms what was written before it began", () => {
    show(1, arrive("a"));
    presentations.written(1);
    presentations.beginCall(undefined);
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED", "a CONFIRMED NEXT_CALL"]);
  });

  test("a call that began before the result was written proves nothing, wherever it ends", () => {
    show(1, arrive("a"));
    presentations.beginCall(undefined);
    presentations.written(1);
    presentations.written(2);
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED"]);
  });

  test("where the host names threads, only the thread's own calls confirm", () => {
    show(1, arrive("a"), "main");
    presentations.written(1);
    presentations.beginCall("other");
    presentations.beginCall(undefined);
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED"]);
    presentations.beginCall("main");
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED", "a CONFIRMED NEXT_CALL"]);
  });

  test("a call that is given up before the write returns its messages, unmarked and in order", () => {
    const messages = arrive("a", "b");
    arrive("c");
    show(1, messages);
    presentations.withdraw(1);
    presentations.written(1);
    expect(inbox.list().map((message) => message.deliveryId)).toEqual(["a", "b", "c"]);
    expect(inbox.list().some((message) => message.redelivered)).toBe(false);
    expect(reports).toEqual([]);
  });

  test("a call that is given up after the write stays presented and is shown again, marked", () => {
    show(1, arrive("a"));
    presentations.written(1);
    presentations.withdraw(1);
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED"]);
    expect(inbox.list()).toMatchObject([{ deliveryId: "a", redelivered: true }]);
    presentations.beginCall(undefined);
    expect(reports).toHaveLength(1);
  });

  test("a confirmed message does not come back when its call is given up late", () => {
    show(1, arrive("a"));
    presentations.written(1);
    presentations.beginCall(undefined);
    presentations.withdraw(1);
    expect(inbox.list()).toEqual([]);
  });

  test("a redelivery of a presented message is reported again, under the new id, and not shown", () => {
    const message = arriveOne("a");
    show(1, [message]);
    presentations.written(1);
    expect(presentations.redeliver(again(message, "b"))).toBe(true);
    presentations.beginCall(undefined);
    expect(presentations.redeliver(again(message, "c"))).toBe(true);
    expect(reports).toEqual([
      "a PRESENTED UNSPECIFIED",
      "b PRESENTED UNSPECIFIED",
      "b CONFIRMED NEXT_CALL",
      "c CONFIRMED NEXT_CALL",
    ]);
  });

  test("a redelivery while the result is being written is reported once, under the new id", () => {
    const message = arriveOne("a");
    show(1, [message]);
    expect(presentations.redeliver(again(message, "b"))).toBe(true);
    presentations.written(1);
    expect(reports).toEqual(["b PRESENTED UNSPECIFIED"]);
  });

  test("what the broker knows to be confirmed is forgotten", () => {
    const message = arriveOne("a");
    show(1, [message]);
    presentations.written(1);
    presentations.settle(message);
    expect(presentations.redeliver(again(message, "b"))).toBe(true);
    presentations.beginCall(undefined);
    presentations.settle(message);
    expect(presentations.redeliver(again(message, "c"))).toBe(false);
  });

  test("a message in parts is presented with the last, and a part given up comes again", () => {
    const message = arriveOne("a");
    const piece = { held: message, part: 0, isLast: false };
    presentations.show(1, undefined, [piece]);
    presentations.written(1);
    expect(inbox.list()).toMatchObject([{ deliveryId: "a", partsShown: 1, redelivered: false }]);
    presentations.withdraw(1);
    expect(inbox.list()).toMatchObject([{ deliveryId: "a", partsShown: 0 }]);

    presentations.show(2, undefined, [piece]);
    presentations.written(2);
    presentations.beginCall(undefined);
    expect(reports).toEqual([]);
    presentations.show(3, undefined, [{ held: message, part: 1, isLast: true }]);
    presentations.written(3);
    expect(reports).toEqual(["a PRESENTED UNSPECIFIED"]);
    expect(inbox.list()).toEqual([]);
  });

  test("remembers a bounded number of messages that a silent thread was shown", () => {
    const all: HeldMessage[] = [];
    for (let callId = 0; callId < maxShownMessages + 10; callId++) {
      const messages = arrive(`d${callId}`);
      all.push(...messages);
      show(callId, messages, `thread ${callId}`);
      presentations.written(callId);
    }
    const known = all.filter((message) => presentations.redeliver(message));
    expect(known).toHaveLength(maxShownMessages);
    expect(known[0]).toBe(all[10]);
  });
});
