import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import {
  AckResultSchema,
  DeliverySchema,
  Outcome,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy } from "../../gen/peerline/v1/message_pb.js";
import type { HeldMessage, Inbox } from "../../src/client/inbox.js";
import { maxShownMessages } from "../../src/client/limits.js";
import { AgentMail, type Presentations } from "../../src/mcp/presentations.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { held } from "../client/held.js";

describe("Presentations", () => {
  let reports: string[];
  let mail: AgentMail;
  let inbox: Inbox;
  let presentations: Presentations;
  let clock: StoppedClock;

  beforeEach(() => {
    reports = [];
    clock = new StoppedClock();
    mail = new AgentMail(clock);
    ({ inbox, presentations } = mail);
    openStream();
  });

  /** A stream begins, by which the broker hears reports. */
  function openStream(): void {
    const heard = reports;
    mail.open(async (acks) => {
      for (const { deliveryId, outcome = 0, confirmedBy = 0 } of acks) {
        heard.push(`${deliveryId} ${Outcome[outcome]} ${ConfirmedBy[confirmedBy]}`);
      }
      return acks.map(() => create(AckResultSchema));
    });
  }

  /** What the broker has heard. */
  async function reported(): Promise<string[]> {
    await mail.flush();
    return reports;
  }

  /** The message comes again; whether it is to be shown again. */
  function isNews({ message }: HeldMessage, deliveryId: string): boolean {
    const before = inbox.list().length;
    mail.deliver(create(DeliverySchema, { deliveryId, message, redelivered: true }));
    return inbox.list().length > before;
  }

  /** A call of `context` begins, and takes these messages for its result. */
  function show(callId: number, messages: HeldMessage[], context?: string): void {
    presentations.beginCall(context);
    presentations.show(
      callId,
      context,
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

  test("reports a message presented when its result has been written, not before", async () => {
    const messages = arrive("a");
    show(1, messages);
    expect(inbox.list()).toEqual([]);
    expect(await reported()).toEqual([]);
    presentations.written(1);
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED"]);
  });

  test("the next call of the same context confirms what was written before it began", async () => {
    show(1, arrive("a"));
    presentations.written(1);
    presentations.beginCall(undefined);
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED", "a CONFIRMED NEXT_CALL"]);
  });

  test("a call that began before the result was written proves nothing, wherever it ends", async () => {
    show(1, arrive("a"));
    presentations.beginCall(undefined);
    presentations.written(1);
    presentations.written(2);
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED"]);
  });

  test("where the host names threads, only the thread's own calls confirm", async () => {
    show(1, arrive("a"), "main");
    presentations.written(1);
    presentations.beginCall("other");
    presentations.beginCall(undefined);
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED"]);
    presentations.beginCall("main");
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED", "a CONFIRMED NEXT_CALL"]);
  });

  test("a call that is given up before the write returns its messages, unmarked and in order", async () => {
    const messages = arrive("a", "b");
    arrive("c");
    show(1, messages);
    presentations.withdraw(1);
    presentations.written(1);
    expect(inbox.list().map((message) => message.deliveryId)).toEqual(["a", "b", "c"]);
    expect(inbox.list().some((message) => message.redelivered)).toBe(false);
    expect(await reported()).toEqual([]);
  });

  test("a call that is given up after the write stays presented and is shown again, marked", async () => {
    show(1, arrive("a"));
    presentations.written(1);
    presentations.withdraw(1);
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED"]);
    expect(inbox.list()).toMatchObject([{ deliveryId: "a", redelivered: true }]);
    presentations.beginCall(undefined);
    expect(await reported()).toHaveLength(1);
  });

  test("a confirmed message does not come back when its call is given up late", async () => {
    show(1, arrive("a"));
    presentations.written(1);
    presentations.beginCall(undefined);
    presentations.withdraw(1);
    expect(inbox.list()).toEqual([]);
  });

  test("a redelivery of a presented message is reported again, under the new id, and not shown", async () => {
    const message = arriveOne("a");
    show(1, [message]);
    presentations.written(1);
    expect(await reported()).toHaveLength(1);
    expect(isNews(message, "b")).toBe(false);
    expect(await reported()).toHaveLength(2);
    presentations.beginCall(undefined);
    // The stream is lost before the broker hears of it.
    mail.close();
    openStream();
    expect(isNews(message, "c")).toBe(false);
    expect(await reported()).toEqual([
      "a PRESENTED UNSPECIFIED",
      "b PRESENTED UNSPECIFIED",
      "c CONFIRMED NEXT_CALL",
    ]);
  });

  test("a redelivery while the result is being written is reported once, under the new id", async () => {
    const message = arriveOne("a");
    show(1, [message]);
    expect(isNews(message, "b")).toBe(false);
    presentations.written(1);
    expect(await reported()).toEqual(["b PRESENTED UNSPECIFIED"]);
  });

  test("what the broker knows to be confirmed is forgotten", async () => {
    const message = arriveOne("a");
    show(1, [message]);
    presentations.written(1);
    await mail.flush();
    expect(isNews(message, "b")).toBe(false);
    presentations.beginCall(undefined);
    await mail.flush();
    expect(isNews(message, "c")).toBe(true);
  });

  test("a message in parts is presented with the last, and a part given up comes again", async () => {
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
    expect(await reported()).toEqual([]);
    presentations.show(3, undefined, [{ held: message, part: 1, isLast: true }]);
    presentations.written(3);
    expect(await reported()).toEqual(["a PRESENTED UNSPECIFIED"]);
    expect(inbox.list()).toEqual([]);
  });

  test("remembers a bounded number of messages that a silent thread was shown", async () => {
    const all: HeldMessage[] = [];
    for (let callId = 0; callId < maxShownMessages + 10; callId++) {
      const messages = arrive(`d${callId}`);
      all.push(...messages);
      show(callId, messages, `thread ${callId}`);
      presentations.written(callId);
    }
    const known = all.filter((message) => !isNews(message, "again"));
    expect(known).toHaveLength(maxShownMessages);
    expect(known[0]).toBe(all[10]);
  });
});
