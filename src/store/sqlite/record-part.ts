import type { RecordStore, StoreRecord } from "../../broker/store/transfer.js";
import type { Clock } from "../../clock.js";
import { fromReceipt, toReceipt } from "../stored-message.js";
import type { Calls } from "./calls.js";
import type { DeliveryRecord } from "./operations.js";
import { fromPeerRow, toPeerRow } from "./peer-part.js";

export function recordPart(calls: Calls, clock: Clock): RecordStore {
  return {
    async *export(leftOut) {
      const peers = await calls.call("loadPeers", clock.now());
      yield peers.map((row) => ({ kind: "peer", peer: fromPeerRow(row) }) as const);
      const machines = await calls.call("loadMachines");
      yield machines.map((machine) => ({ kind: "machine", machine }) as const);
      const enrolments = await calls.call("loadEnrolments");
      yield enrolments.map((enrolment) => ({ kind: "enrolment", enrolment }) as const);
      for (let after: number | undefined = 0; after !== undefined;) {
        const page: Awaited<ReturnType<typeof readPage>> = await readPage(after);
        for (const words of page.leftOut) leftOut(words);
        yield page.deliveries.map(toDelivery);
        after = page.next;
      }
    },

    async import(records) {
      await calls.call("importRecords", {
        peers: records.flatMap((one) => (one.kind === "peer" ? [toPeerRow(one.peer)] : [])),
        machines: records.flatMap((one) => (one.kind === "machine" ? [one.machine] : [])),
        enrolments: records.flatMap((one) => (one.kind === "enrolment" ? [one.enrolment] : [])),
        deliveries: records.flatMap((one) => (one.kind === "delivery" ? [fromDelivery(one)] : [])),
      });
    },
  };

  function readPage(after: number) {
    return calls.call("exportDeliveries", after);
  }
}

type DeliveryOfRecord = Extract<StoreRecord, { kind: "delivery" }>;

function toDelivery({ receipt, ...row }: DeliveryRecord): DeliveryOfRecord {
  return { kind: "delivery", delivery: { ...row, receipt: toReceipt(receipt) } };
}

function fromDelivery({ delivery: { receipt, ...rest } }: DeliveryOfRecord): DeliveryRecord {
  return { ...rest, receipt: fromReceipt(receipt) };
}
