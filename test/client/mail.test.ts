import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import {
  AckResultSchema,
  DeliverySchema,
  Outcome,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { Mail } from "../../src/client/mail.js";
import { Code } from "../../src/rpc/error.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { eventually } from "../support/test-broker.js";
import { held } from "./held.js";

describe("Mail", () => {
  let clock: StoppedClock;
  let mail: Mail;
  let reports: string[];

  beforeEach(() => {
    clock = new StoppedClock();
    mail = new Mail(clock);
    reports = [];
  });

  /** Answers every report with this; undefined takes it. */
  function open(code?: Code): void {
    mail.open(async (acks) => {
      reports.push(...acks.map(({ outcome }) => Outcome[outcome ?? 0] ?? ""));
      return acks.map(() => create(AckResultSchema, code === undefined ? {} : { error: { code } }));
    });
  }

  function arrive(expiresAtMs?: number): void {
    const { message, deliveryId } = held(expiresAtMs === undefined ? {} : { expiresAtMs });
    mail.deliver(create(DeliverySchema, { deliveryId, message }));
  }

  test("of one peer is never shown as another's, nor what that was shown reported", async () => {
    open();
    mail.belongTo("one");
    arrive();
    arrive();
    const [shown] = mail.inbox.list();
    if (shown === undefined) throw new Error("nothing arrived");
    mail.take(shown);
    mail.belongTo("one");
    expect(mail.unread.count).toBe(1);

    mail.belongTo("another");
    expect(mail.inbox.list()).toEqual([]);
    mail.tell(shown, { outcome: Outcome.CONFIRMED });
    mail.putBack([shown]);
    expect(mail.inbox.list()).toEqual([]);
    await mail.flush();
    expect(reports).toEqual([]);
  });

  test("that has expired by this clock and not by the broker's may be shown", async () => {
    open(Code.InvalidArgument);
    arrive(clock.now() + 1000);
    clock.advance(1000);
    expect(mail.inbox.list()).toEqual([]);
    await eventually(() => expect(mail.inbox.list()).toHaveLength(1));
    expect(reports).toEqual(["EXPIRED"]);
  });

  test("that has expired is reported, and gone", async () => {
    open();
    arrive(clock.now() + 1000);
    clock.advance(1000);
    expect(mail.inbox.list()).toEqual([]);
    await mail.flush();
    expect(reports).toEqual(["EXPIRED"]);
    expect(mail.inbox.list()).toEqual([]);
  });
});
