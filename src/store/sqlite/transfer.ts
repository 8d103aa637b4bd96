import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { MessageSchema } from "../../../gen/peerline/v1/message_pb.js";
import type { StoredEnrolment } from "../../broker/store/peers.js";
import { StoreError } from "../../broker/store/store.js";
import { queuedReceipt } from "../stored-message.js";
import type { Quarantine } from "./damage/quarantine.js";
import { type LastKeys, messageOfSender, participantInsertion } from "./enqueue.js";
import { isConstraint } from "./failure.js";
import type { FreeSpace } from "./free-space.js";
import { maxBatchBytes, maxBatchCalls } from "./limits.js";
import { enrolmentColumns, enrolmentInsertion } from "./machines.js";
import type { DeliveryRecord, Operations } from "./operations.js";
import { receiptOf, receiptWriter, soundDelivery } from "./receipts.js";
import { mailSelect, type ReadMail, type Statements } from "./statements.js";
import { deliveryTable, machineTable, messageTable, peerTable } from "./tables.js";

/** Whole records, on their way from or to another store. */
export function transferOperations(
  statements: Statements,
  quarantine: Quarantine,
  { freeSpace, keys: last }: { freeSpace: FreeSpace; keys: LastKeys },
): Pick<Operations, "loadEnrolments" | "exportDeliveries" | "importRecords"> {
  const listEnrolments = statements.prepare<StoredEnrolment>(
    `SELECT token_hash AS tokenHash, ${enrolmentColumns} FROM enrolment ORDER BY token_hash`,
  );
  const mailAfter = statements.prepare<ReadMail>(
    `${mailSelect} WHERE d.seq > :after ORDER BY d.seq LIMIT 1`,
  );
  const messageByKey = messageOfSender(statements);
  const insertPeer = statements.insertInto(peerTable);
  const insertMachine = statements.insertInto(machineTable);
  const insertEnrolment = enrolmentInsertion(statements);
  const insertMessage = statements.insertInto(messageTable);
  const insertDelivery = statements.insertInto(deliveryTable);
  const insertParticipant = participantInsertion(statements);
  const writeReceipt = receiptWriter(statements);

  return {
    loadEnrolments: () => listEnrolments.all(),

    exportDeliveries(from) {
      const deliveries: DeliveryRecord[] = [];
      const leftOut: string[] = [];
      let after = from;
      let bytes = 0;
      while (bytes < maxBatchBytes && deliveries.length < maxBatchCalls) {
        const row = mailAfter.one({ after });
        if (row === undefined) return { deliveries, leftOut, next: undefined };
        after = row.seq;
        const body = quarantine.intactBody(row);
        if (body === undefined) {
          leftOut.push(`the message ${row.seq} for ${row.peerName} is damaged`);
          continue;
        }
        const sound = soundDelivery(quarantine, row, () => body);
        const { fingerprint } = row;
        const redriven = sound.redriven === 1;
        deliveries.push({ body, fingerprint, receipt: receiptOf(sound), redriven });
        bytes += body.byteLength;
      }
      return { deliveries, leftOut, next: after };
    },

    importRecords({ peers, machines, enrolments, deliveries }) {
      const noRoom = freeSpace.problem();
      if (noRoom !== undefined) throw new StoreError("FULL", noRoom);
      try {
        for (const peer of peers) insertPeer(peer);
        for (const machine of machines) insertMachine(machine);
        for (const { tokenHash, scope, usesLeft, expireTimeMs } of enrolments) {
          insertEnrolment.run({ tokenHash, scope, usesLeft, expireTimeMs });
        }
        for (const delivery of deliveries) insertDeliveryOf(delivery);
      } catch (cause) {
        if (!isConstraint(cause)) throw cause;
        throw new StoreError("CONFLICT", "A record to be moved is there already.", { cause });
      }
    },
  };

  function insertDeliveryOf({ body, fingerprint, receipt, redriven }: DeliveryRecord): void {
    const { from, messageId, threadId, acceptTime, expireTime } = fromBinary(MessageSchema, body);
    const { peerId: fromPeerId = "", name: fromName = "" } = from ?? {};
    const acceptTimeMs = acceptTime === undefined ? receipt.queuedMs : timestampMs(acceptTime);
    let id = messageByKey.one({ fromPeerId, messageId })?.id;
    if (id === undefined) {
      last.id += 1;
      id = last.id;
      const sender = { fromPeerId, fromName };
      insertMessage({ id, ...sender, messageId, threadId, fingerprint, acceptTimeMs, body });
      insertParticipant.run({ peerId: fromPeerId, id });
    }
    const row = {
      // The triggers count a new row as an open one, whatever its state.
      ...queuedReceipt(receipt),
      id,
      senderPeerId: fromPeerId,
      sizeBytes: body.byteLength,
      expireTimeMs: expireTime === undefined ? receipt.queuedMs : timestampMs(expireTime),
      redriven: redriven ? 1 : 0,
    };
    insertDelivery(row);
    writeReceipt({ ...row, isVoid: false }, receipt);
    insertParticipant.run({ peerId: receipt.peerId, id });
    last.seq = Math.max(last.seq, receipt.seq);
  }
}
