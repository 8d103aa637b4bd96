import { describe, expect, test } from "vitest";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { check, type StoredMessage } from "./checker.js";
import type { Arrival, Operation, Phase, Report } from "./history.js";

const { CONFIRMED, ANSWERED, PRESENTED, LEASED, DEAD_LETTERED, EXPIRED } = ReceiptState;

describe("a history in which nothing went wrong", () => {
  test("is found to be so, and counted", () => {
    const verdict = check(goodDay("a/1"), [stored("a/1", CONFIRMED)]);
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toEqual({
      accepted: 1,
      unknownAttempts: 0,
      delivered: 1,
      presented: 1,
      presentedAgain: 0,
      confirmed: 1,
      ended: 0,
      returned: 0,
    });
  });

  test("may hold a message that was offered and presented again, marked", () => {
    const again = [arrive("deliver", "a/1", { redelivered: true }), present("a/1", true)];
    const history = [...sent("a/1"), deliver("a/1"), present("a/1"), ...again, ...confirm("a/1")];
    expect(kinds(history, [stored("a/1", ANSWERED)])).toEqual([]);
  });

  test("may hold a send that was tried again until it was accepted", () => {
    const tries = [send("invoke", "a/1"), send("unknown", "a/1"), send("invoke", "a/1")];
    const history = [...tries, send("ok", "a/1"), ...received("a/1")];
    expect(kinds(history, [stored("a/1", CONFIRMED)])).toEqual([]);
  });

  test.each([
    ["stored", [stored("a/1", CONFIRMED)], received("a/1")],
    ["not stored", [], []],
  ])("may hold a send of unknown end that was %s", (_name, records, arrivals) => {
    expect(kinds([send("invoke", "a/1"), ...arrivals], records)).toEqual([]);
    expect(kinds([send("invoke", "a/1"), send("unknown", "a/1"), ...arrivals], records)).toEqual(
      [],
    );
  });

  test.each([DEAD_LETTERED, EXPIRED])("may hold a message that ended unread (%s)", (state) => {
    expect(kinds(sent("a/1"), [stored("a/1", state)])).toEqual([]);
  });

  test("may hold messages under way together that arrive in either order", () => {
    const sends = [
      send("invoke", "a/1"),
      send("invoke", "a/2"),
      send("ok", "a/1"),
      send("ok", "a/2"),
    ];
    const history = [...sends, ...received("a/2"), ...received("a/1")];
    expect(kinds(history, [stored("a/1", CONFIRMED), stored("a/2", CONFIRMED)])).toEqual([]);
  });

  test("may hold a redelivery that comes later than newer messages", () => {
    const late = arrive("deliver", "a/1", { redelivered: true });
    const history = [...sent("a/1"), ...sent("a/2"), ...received("a/2"), late];
    const end = [present("a/1", true), ...confirm("a/1")];
    const records = [stored("a/1", CONFIRMED), stored("a/2", CONFIRMED)];
    expect(kinds([...history, ...end], records)).toEqual([]);
  });
});

describe("lost", () => {
  test("is a message that was accepted and that nobody has", () => {
    expect(kinds(sent("a/1"), [])).toEqual(["lost"]);
  });

  test("is one that the broker calls confirmed and its recipient never saw", () => {
    expect(kinds(sent("a/1"), [stored("a/1", CONFIRMED)])).toEqual(["premature", "lost"]);
  });

  test("is one that was read and of which the broker has no record", () => {
    expect(kinds(goodDay("a/1"), [])).toEqual(["lost"]);
  });

  test("is one of several recipients' copies", () => {
    const both = ["b", "c"];
    const sends = [send("invoke", "a/1", both), send("ok", "a/1", both)];
    const verdict = check([...sends, ...received("a/1")], [stored("a/1", CONFIRMED)]);
    expect(verdict.violations).toEqual([{ kind: "lost", key: "a/1", peer: "c" }]);
  });
});

describe("phantom", () => {
  test("is a message that nobody sent", () => {
    expect(kinds(received("a/1"), [])).toEqual(["phantom"]);
    expect(kinds([], [stored("a/1", CONFIRMED)])).toEqual(["phantom", "premature"]);
  });

  test("is one whose every attempt was refused", () => {
    const refused = [send("invoke", "a/1"), send("fail", "a/1")];
    expect(kinds([...refused, ...received("a/1")], [])).toEqual(["phantom"]);
    expect(kinds([...refused, send("invoke", "a/1"), ...received("a/1")], [])).toEqual([]);
  });

  test.each([
    ["with another text", { intact: false }],
    ["from another sender", { from: "mallory" }],
    ["for another recipient", { peer: "c" }],
  ])("is a message that arrives %s", (_name, change) => {
    const history = [...goodDay("a/1"), arrive("present", "a/1", { redelivered: true, ...change })];
    expect(kinds(history, [stored("a/1", CONFIRMED)])).toContain("phantom");
  });
});

describe("repeated", () => {
  test.each(["deliver", "present"] as const)("is what %ss twice without a mark", (act) => {
    const history = [...sent("a/1"), ...received("a/1").slice(0, 2), arrive(act, "a/1")];
    expect(kinds([...history, ...confirm("a/1")], [stored("a/1", CONFIRMED)])).toEqual([
      "repeated",
    ]);
  });
});

describe("revived", () => {
  test.each(["deliver", "present"] as const)("is what %ss after its confirmation", (act) => {
    const history = [...goodDay("a/1"), arrive(act, "a/1", { redelivered: true })];
    expect(kinds(history, [stored("a/1", CONFIRMED)])).toEqual(["revived"]);
  });

  test("is not what comes while nobody knows whether the confirmation arrived", () => {
    const unknown = [report("invoke", "a/1"), report("unknown", "a/1")];
    const again = arrive("deliver", "a/1", { redelivered: true });
    const history = [...sent("a/1"), deliver("a/1"), present("a/1"), ...unknown, again];
    expect(kinds(history, [stored("a/1", CONFIRMED)])).toEqual([]);
  });
});

describe("reordered", () => {
  test("is a first delivery that comes after one that was sent later", () => {
    const history = [...sent("a/1"), ...sent("a/2"), ...received("a/2"), ...received("a/1")];
    const verdict = check(history, [stored("a/1", CONFIRMED), stored("a/2", CONFIRMED)]);
    expect(verdict.violations).toEqual([{ kind: "reordered", key: "a/1", peer: "b" }]);
  });

  test("is found although the message between them may stand anywhere", () => {
    const slow = [send("invoke", "a/2"), ...sent("a/1"), ...sent("a/3"), send("ok", "a/2")];
    const history = [...slow, ...["a/3", "a/2", "a/1"].flatMap(received)];
    const records = ["a/1", "a/2", "a/3"].map((key) => stored(key, CONFIRMED));
    expect(kinds(history, records)).toEqual(["reordered"]);
  });
});

test("duplicated is a message that is stored twice", () => {
  const twice = [stored("a/1", CONFIRMED), stored("a/1", CONFIRMED)];
  expect(kinds(goodDay("a/1"), twice)).toEqual(["duplicated"]);
});

test("premature is a confirmation that its recipient never gave", () => {
  const history = [...sent("a/1"), deliver("a/1"), present("a/1")];
  expect(kinds(history, [stored("a/1", CONFIRMED)])).toEqual(["premature"]);
});

test.each([LEASED, PRESENTED])("unsettled is what was confirmed and stands at %s", (state) => {
  expect(kinds(goodDay("a/1"), [stored("a/1", state)])).toEqual(["unsettled"]);
});

describe("another", () => {
  test("is nobody who comes back as before", () => {
    const history = [back("a", "a", "1"), back("b", "b", "2"), back("a", "a", "1"), back("b", "b")];
    expect(kinds(history, [])).toEqual([]);
    expect(check(history, []).counts.returned).toBe(4);
  });

  test.each([
    ["under another name", [back("a", "a"), back("a", "a-2")]],
    ["under its own name, as a new peer", [back("a", "a", "1"), back("a", "a", "2")]],
    ["as the peer that another was", [back("b", "b", "1"), back("a", "a", "1")]],
  ])("is one that comes back %s", (_how, history) => {
    expect(kinds(history, [])).toEqual(["another"]);
  });
});

function kinds(history: readonly Operation[], records: readonly StoredMessage[]): string[] {
  return check(history, records).violations.map(({ kind }) => kind);
}

/** A message from a to b. */
function goodDay(key: string): Operation[] {
  return [...sent(key), ...received(key)];
}

function sent(key: string): Operation[] {
  return [send("invoke", key), send("ok", key)];
}

function received(key: string): Operation[] {
  return [deliver(key), present(key), ...confirm(key)];
}

function send(phase: Phase, key: string, to = ["b"]): Operation {
  return { act: "send", phase, peer: "a", key, to };
}

function deliver(key: string): Arrival {
  return arrive("deliver", key);
}

function present(key: string, redelivered = false): Arrival {
  return arrive("present", key, { redelivered });
}

function arrive(act: Arrival["act"], key: string, change: Partial<Arrival> = {}): Arrival {
  return { act, peer: "b", key, from: "a", redelivered: false, intact: true, ...change };
}

function confirm(key: string): Report[] {
  return [report("invoke", key), report("ok", key)];
}

function report(phase: Phase, key: string): Report {
  return { act: "report", phase, peer: "b", key, outcome: "confirmed" };
}

function stored(key: string, state: ReceiptState): StoredMessage {
  return { key, from: "a", intact: true, receipts: [{ to: "b", state }] };
}

function back(peer: string, as: string, id?: string): Operation {
  const key = `return/${peer}`;
  return { act: "return", peer, key, as, ...(id === undefined ? {} : { id }) };
}
