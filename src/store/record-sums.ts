import { createHash, type Hash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { ReceiptSchema, type ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import type { StoreRecord } from "../broker/store/transfer.js";

export type RecordKind = StoreRecord["kind"];

/** What all records of a store add up to. Two stores with the same hold the same records. */
export interface RecordTotals {
  readonly counts: Readonly<Record<RecordKind, number>>;
  /** SHA-256 of the records of each kind, lower-case hex. */
  readonly sums: Readonly<Record<RecordKind, string>>;
  /** Deliveries by the state of their receipts. */
  readonly states: ReadonlyMap<ReceiptState, number>;
}

/**
 * Adds up an export. Deliveries are summed in their order; their seqs are not, since a technology may give new
 * ones. Other records have no order, and are sorted.
 */
export class RecordSums {
  readonly #unordered = {
    peer: [] as string[],
    machine: [] as string[],
    enrolment: [] as string[],
  };
  readonly #deliveries: Hash = createHash("sha256");
  readonly #states = new Map<ReceiptState, number>();
  #deliveryCount = 0;

  add(record: StoreRecord): void {
    const text = canonicalRecord(record);
    if (record.kind !== "delivery") {
      this.#unordered[record.kind].push(text);
      return;
    }
    const { state } = record.delivery.receipt;
    this.#states.set(state, (this.#states.get(state) ?? 0) + 1);
    this.#deliveryCount += 1;
    this.#deliveries.update(`${text}\n`);
  }

  totals(): RecordTotals {
    const { peer, machine, enrolment } = this.#unordered;
    return {
      counts: {
        peer: peer.length,
        machine: machine.length,
        enrolment: enrolment.length,
        delivery: this.#deliveryCount,
      },
      sums: {
        peer: sumOf(peer),
        machine: sumOf(machine),
        enrolment: sumOf(enrolment),
        delivery: this.#deliveries.copy().digest("hex"),
      },
      states: this.#states,
    };
  }
}

/** A record as one line of JSON, the same whichever store gave it: keys in order, bytes in base64, no seq. */
export function canonicalRecord(record: StoreRecord): string {
  switch (record.kind) {
    case "peer": {
      const profile = toBinary(ProfileSchema, record.peer.profile);
      return canonicalJson({ ...record.peer, profile });
    }
    case "machine":
      return canonicalJson(record.machine);
    case "enrolment":
      return canonicalJson(record.enrolment);
    case "delivery": {
      const { receipt: numbered, ...rest } = record.delivery;
      const receipt = create(ReceiptSchema, { ...numbered, seq: 0n });
      return canonicalJson({ ...rest, receipt: toBinary(ReceiptSchema, receipt) });
    }
  }
}

function canonicalJson(value: object): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (field instanceof Uint8Array) return Buffer.from(field).toString("base64");
    if (typeof field !== "object" || field === null || Array.isArray(field)) return field;
    const entries = Object.entries(field).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries);
  });
}

function sumOf(texts: readonly string[]): string {
  return createHash("sha256")
    .update(
      texts
        .toSorted()
        .map((text) => `${text}\n`)
        .join(""),
    )
    .digest("hex");
}
