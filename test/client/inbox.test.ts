import { beforeEach, describe, expect, test } from "vitest";
import type { HeldMessage } from "../../src/client/inbox.js";
import { Inbox } from "../../src/client/inbox.js";
import { maxExpiryWaitMs } from "../../src/client/limits.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { again, held } from "./held.js";

describe("Inbox", () => {
  let clock: StoppedClock;
  let expired: HeldMessage[];
  let inbox: Inbox;

  beforeEach(() => {
    clock = new StoppedClock(1000);
    expired = [];
    inbox = new Inbox({ clock, onExpired: (message) => expired.push(message) });
  });

  test("keeps messages in the order in which they came", () => {
    const messages = [held(), held(), held()];
    for (const message of messages) inbox.deliver(message);
    expect(inbox.list()).toEqual(messages);
  });

  test("an unread copy takes over the new delivery id, and its place and marks stay", () => {
    const first = held();
    inbox.deliver(first);
    inbox.deliver(held());
    inbox.deliver(again(first, "newer"));
    expect(inbox.list()).toHaveLength(2);
    expect(inbox.list()[0]).toMatchObject({
      key: first.key,
      deliveryId: "newer",
      redelivered: false,
    });
  });

  test("the same id from two senders is two messages", () => {
    inbox.deliver(held({ messageId: "same", sender: "api" }));
    inbox.deliver(held({ messageId: "same", sender: "web" }));
    expect(inbox.countUnread([]).count).toBe(2);
  });

  test("counts what waits here and at the broker, and names each sender once", () => {
    inbox.deliver(held({ sender: "api" }));
    inbox.deliver(held({ sender: "api" }));
    inbox.tellBacklog({ count: 40, senders: ["web", "api"] });
    expect(inbox.countUnread([])).toEqual({ count: 42, senders: ["api", "web"] });
  });

  test("counts what came from the broker's backlog once, though it was not told anew yet", () => {
    inbox.tellBacklog({ count: 2, senders: ["web"] });
    const comes = (sender: string): void => {
      inbox.arrives();
      inbox.deliver(held({ sender }));
    };
    comes("web");
    expect(inbox.countUnread([])).toEqual({ count: 2, senders: ["web"] });
    comes("api");
    expect(inbox.countUnread([])).toEqual({ count: 2, senders: ["web", "api"] });
    expect(inbox.isFollowed).toBe(false);
    comes("api");
    expect(inbox.countUnread([]).count).toBe(3);
  });

  test("names at most eight senders", () => {
    for (let number = 0; number < 12; number++) inbox.deliver(held({ sender: `peer-${number}` }));
    expect(inbox.countUnread([]).senders).toHaveLength(8);
  });

  test("puts back what was taken to the front", () => {
    const [first, second, third] = [held(), held(), held()];
    for (const message of [first, second, third]) inbox.deliver(message);
    inbox.take([first, second]);
    expect(inbox.list()).toEqual([third]);
    inbox.putBack([first, second]);
    expect(inbox.list()).toEqual([first, second, third]);
  });

  test("lets a message go when its time runs out, with nobody asking", () => {
    const message = held({ expiresAtMs: 5000 });
    inbox.deliver(message);
    clock.advance(3999);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual([message]);
    expect(inbox.list()).toEqual([]);
  });

  test("tells of what has expired, though the clock was set forward while it waited", () => {
    const message = held({ expiresAtMs: 1000 + 24 * 3_600_000 });
    inbox.deliver(message);
    clock.setForward(1000 + 25 * 3_600_000 - clock.now());
    clock.advance(maxExpiryWaitMs);
    expect(expired).toEqual([message]);
  });

  test("never shows a message that had expired when it came", () => {
    inbox.deliver(held({ expiresAtMs: 900 }));
    expect(inbox.list()).toEqual([]);
    expect(expired).toHaveLength(1);
  });

  test("a message that is being shown does not expire", () => {
    const message = held({ expiresAtMs: 5000 });
    inbox.deliver(message);
    inbox.take([message]);
    clock.advance(10_000);
    expect(expired).toEqual([]);
  });

  test("waits for an expiry that is further away than a timer reaches", () => {
    inbox.deliver(held({ expiresAtMs: 1000 + 60 * 86_400_000 }));
    clock.advance(59 * 86_400_000);
    expect(expired).toEqual([]);
    clock.advance(86_400_000);
    expect(expired).toHaveLength(1);
  });

  test("wakes whoever waits when a message comes, and when one comes back", async () => {
    const { signal } = new AbortController();
    const arrival = inbox.nextChange(signal);
    const message = held();
    inbox.deliver(message);
    await expect(arrival).resolves.toBeUndefined();
    inbox.take([message]);
    const back = inbox.nextChange(signal);
    inbox.putBack([message]);
    await expect(back).resolves.toBeUndefined();
  });

  test("forgets mail, backlog and timer when cleared", () => {
    inbox.deliver(held({ expiresAtMs: 5000 }));
    inbox.tellBacklog({ count: 3, senders: ["web"] });
    inbox.clear();
    expect(inbox.countUnread([])).toEqual({ count: 0, senders: [] });
    expect(clock.timers).toBe(0);
  });
});
