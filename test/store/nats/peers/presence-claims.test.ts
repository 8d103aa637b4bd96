import { describe, expect, test } from "vitest";
import { PresenceClaims } from "../../../../src/store/nats/peers/presence-claims.js";
import { presence } from "../../../contract/store/records.js";

/** The epochs that stand one after the other; 0: none. */
function open(): { claims: PresenceClaims; told: number[] } {
  const told: number[] = [];
  const claims = new PresenceClaims((_, standing) => void told.push(standing?.epoch ?? 0));
  return { claims, told };
}

const at = (epoch: number, brokerId = "b1") => ({ ...presence, epoch, brokerId });

describe("of several sessions of one peer", () => {
  test("the newest stands, whichever is heard of first, and is told once", () => {
    const { claims, told } = open();
    claims.set("one", "p", at(4));
    claims.set("other", "p", at(3));
    claims.set("one", "p", at(4));
    claims.set("other", "p", undefined);
    expect(told).toEqual([4]);
  });

  test("an older one does not stand again when the newer one has ended", () => {
    const { claims, told } = open();
    claims.set("one", "p", at(3));
    claims.set("other", "p", at(4));
    claims.set("other", "p", undefined);
    claims.set("one", "p", { ...at(3), online: false });
    expect(told).toEqual([3, 4, 0]);
    expect([...claims.standing()]).toEqual([]);
    claims.set("one", "p", at(5));
    claims.set("one", "p", undefined);
    // Nothing is kept of a peer that nobody has.
    claims.set("one", "p", at(1));
    expect(told).toEqual([3, 4, 0, 5, 0, 1]);
  });

  test("all of a broker's end when it is gone, and those of others stay", () => {
    const { claims, told } = open();
    claims.set("one", "p", at(3));
    claims.set("one", "q", at(1));
    claims.set("other", "q", at(2, "b2"));
    claims.replace("one", new Map());
    expect(told).toEqual([3, 1, 2, 0]);
    expect([...claims.standing()]).toEqual([["q", at(2, "b2")]]);
  });

  test("of two with one epoch all brokers take the same", () => {
    const orders = [
      ["one", "other"],
      ["other", "one"],
    ];
    const standing = orders.map((runs) => {
      const { claims } = open();
      for (const run of runs) claims.set(run, "p", at(3, run));
      return [...claims.standing()];
    });
    expect(standing[0]).toEqual(standing[1]);
  });
});
