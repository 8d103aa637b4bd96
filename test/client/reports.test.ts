import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { AckResultSchema, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { Code } from "../../src/rpc/error.js";
import { maxAcks } from "../../src/contract/limits.js";
import { Reports } from "../../src/client/reports.js";
import { held } from "./held.js";

describe("Reports", () => {
  let taken: string[];
  let refused: string[];
  let reports: Reports;
  let batches: string[][];

  beforeEach(() => {
    taken = [];
    refused = [];
    batches = [];
    reports = new Reports({
      onTaken: ({ deliveryId }, { outcome }) => taken.push(`${deliveryId} ${Outcome[outcome]}`),
      onRefused: ({ deliveryId }, { outcome }) => refused.push(`${deliveryId} ${Outcome[outcome]}`),
    });
  });

  /** Answers each batch: what is named here fails with that code, the rest is taken. */
  function open(codes: Record<string, Code[]> = {}): void {
    reports.open(async (acks) => {
      batches.push(acks.map(({ deliveryId }) => deliveryId ?? ""));
      return acks.map(({ deliveryId = "" }) => {
        const code = codes[deliveryId]?.shift();
        return create(AckResultSchema, code === undefined ? {} : { error: { code } });
      });
    });
  }

  function add(deliveryId: string, outcome = Outcome.PRESENTED): void {
    reports.add(held({}, { deliveryId }), { outcome });
  }

  test("what is reported in one tick goes in one batch, in order", async () => {
    open();
    for (const id of ["a", "b", "c"]) add(id);
    await reports.flush();
    expect(batches).toEqual([["a", "b", "c"]]);
    expect(taken).toEqual(["a PRESENTED", "b PRESENTED", "c PRESENTED"]);
  });

  test("a batch is as large as the broker takes, and no larger", async () => {
    open();
    for (let number = 0; number <= maxAcks; number++) add(`d${number}`);
    await reports.flush();
    expect(batches.map((batch) => batch.length)).toEqual([maxAcks, 1]);
  });

  test("repeats only the entry that the store could not take", async () => {
    open({ b: [Code.Unavailable, Code.ResourceExhausted] });
    for (const id of ["a", "b", "c"]) add(id);
    await reports.flush();
    expect(batches).toEqual([["a", "b", "c"], ["b"], ["b"]]);
    expect(taken).toEqual(["a PRESENTED", "c PRESENTED", "b PRESENTED"]);
  });

  test("does not insist where the lease has ended or the outcome cannot be", async () => {
    open({ a: [Code.FailedPrecondition], b: [Code.InvalidArgument] });
    add("a");
    add("b", Outcome.EXPIRED);
    await reports.flush();
    expect(batches).toHaveLength(1);
    expect(refused).toEqual(["b EXPIRED"]);
    expect(taken).toEqual([]);
  });

  test("repeats a call that failed as a whole", async () => {
    let calls = 0;
    reports.open(async (acks) => {
      if (++calls < 3) throw new Error("not now");
      return acks.map(() => create(AckResultSchema));
    });
    add("a");
    await reports.flush();
    expect(calls).toBe(3);
    expect(taken).toEqual(["a PRESENTED"]);
  });

  test("says nothing while closed, drops what is pending, and begins anew when opened", async () => {
    add("early");
    reports.open(async (_acks, signal) => {
      await new Promise((_, reject) => signal.addEventListener("abort", reject));
      return [];
    });
    add("lost");
    await new Promise((resolve) => setTimeout(resolve, 20));
    reports.close();
    open();
    add("fresh");
    await reports.flush();
    expect(batches).toEqual([["fresh"]]);
    expect(taken).toEqual(["fresh PRESENTED"]);
  });
});
