import { expect, test } from "vitest";
import type { RecordStore, StoreRecord } from "../../src/broker/store/transfer.js";
import { moveRecords } from "../../src/store/move-records.js";
import { send } from "../contract/store/drafts.js";
import { peer } from "../contract/store/peers.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { openMemoryStore } from "./memory/memory-store.js";

const clock = new StoppedClock(Date.UTC(2026, 0, 1));

/** A source with two peers and three messages. */
async function filled(): Promise<RecordStore> {
  const store = openMemoryStore({ clock });
  for (const name of ["api", "web"]) await store.peers.create(peer(name));
  for (const text of ["one", "two", "three"]) await send(store, { text });
  return store.records;
}

/** A target that does something to what it is given. */
function spoilt(spoil: (records: readonly StoreRecord[]) => readonly StoreRecord[]): RecordStore {
  const { records } = openMemoryStore({ clock });
  return { ...records, import: (page) => records.import(spoil(page)) };
}

test("a move that went well shows the same of both", async () => {
  const counted: number[] = [];
  const to = openMemoryStore({ clock }).records;
  const onPage = (count: number) => void counted.push(count);
  const proof = await moveRecords({ from: await filled(), to, onPage });
  expect(proof).toMatchObject({ different: [], leftOut: [] });
  expect(proof.target).toEqual(proof.source);
  expect(proof.source.counts).toEqual({ peer: 2, machine: 0, enrolment: 0, delivery: 3 });
  expect(counted).toEqual([2, 5]);
});

test.each<[string, (records: readonly StoreRecord[]) => readonly StoreRecord[]]>([
  ["loses a message", (page) => page.filter((_one, at) => at !== 1 || page.length < 3)],
  ["changes the order", (page) => (page.length < 3 ? page : renumbered(page.toReversed()))],
  ["changes a byte", (page) => page.map(withOtherByte)],
  ["forgets that one was redriven", (page) => page.map(asRedriven)],
])("a move whose target %s is found out", async (_what, spoil) => {
  const proof = await moveRecords({ from: await filled(), to: spoilt(spoil) });
  expect(proof.different).toEqual(["delivery"]);
});

function renumbered(records: readonly StoreRecord[]): StoreRecord[] {
  return records.map((record, at) =>
    record.kind === "delivery"
      ? {
          ...record,
          delivery: {
            ...record.delivery,
            receipt: { ...record.delivery.receipt, seq: BigInt(at + 1) },
          },
        }
      : record,
  );
}

function withOtherByte(record: StoreRecord): StoreRecord {
  if (record.kind !== "delivery") return record;
  const body = Buffer.from(
    Buffer.from(record.delivery.body).toString("latin1").replace("two", "tw0"),
    "latin1",
  );
  return { ...record, delivery: { ...record.delivery, body } };
}

function asRedriven(record: StoreRecord): StoreRecord {
  if (record.kind !== "delivery") return record;
  return { ...record, delivery: { ...record.delivery, redriven: true } };
}
