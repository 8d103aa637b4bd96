import { isDeepStrictEqual } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { MessageSchema } from "../../../gen/peerline/v1/message_pb.js";
import type { StoredEnrolment, StoredMachine } from "../../broker/store/peers.js";
import { systemClock } from "../../clock.js";
import { StoreError } from "../../broker/store/store.js";
import type { RecordStore, StoredDelivery, StoreRecord } from "../../broker/store/transfer.js";
import { fromReceipt, toReceipt } from "../stored-message.js";
import type { Link } from "./connect.js";
import { deleteMessage } from "./delete-message.js";
import { copyDeadlineMs, maxAppendTries, maxCopiedBytes, maxCopiedRecords } from "./limits.js";
import {
  firstRegister,
  formatHead,
  formatRegister,
  readHead,
  readRegister,
  type MailHead,
} from "./mail/mail-record.js";
import { decodeMachines, decodePeer, encodeMachines, encodePeer } from "./peers/record-form.js";
import type { Publication, Publisher, PublishOutcome } from "./publish.js";
import { readStream } from "./read-stream.js";
import type { StreamNames } from "./streams.js";
import { throughElection } from "./through-election.js";
import { MailSubjects, toToken } from "./subjects.js";

/** Whole records in the streams. Nobody else writes to them meanwhile. */
export function recordCopies(engine: {
  link: Link;
  publisher: Publisher;
  names: StreamNames;
  prefix: string;
}): RecordStore {
  const { link, publisher, names, prefix } = engine;
  const subjects = new MailSubjects(prefix);
  const machinesSubject = `${prefix}.peers.machines`;
  /** What was brought: the engine has them as one document. */
  const machines: StoredMachine[] = [];
  const enrolments: StoredEnrolment[] = [];
  let machinesSeq = 0;

  return {
    async *export(leftOut) {
      yield* exportPeers(leftOut);
      yield* exportDeliveries(leftOut);
    },

    async import(records) {
      const peers = records.flatMap((one) => (one.kind === "peer" ? [one.peer] : []));
      await store(
        peers.map((peer) => ({
          stream: names.peers,
          subject: `${prefix}.peers.peer.${toToken(peer.peerId)}`,
          payload: Buffer.from(encodePeer(peer)),
          expect: { lastSubjectSeq: 0 },
        })),
      );
      await importMachines(records);
      await importDeliveries(
        records.flatMap((one) => (one.kind === "delivery" ? [one.delivery] : [])),
      );
    },
  };

  async function* exportPeers(
    leftOut: (words: string) => void,
  ): AsyncGenerator<readonly StoreRecord[]> {
    const last: StoreRecord[] = [];
    let page: StoreRecord[] = [];
    for await (const { subject, data } of readStream(link, names.peers)) {
      if (subject === machinesSubject) {
        const kept = decodeMachines(data);
        if (kept === undefined) leftOut("the list of machines cannot be read");
        for (const machine of kept?.machines ?? []) last.push({ kind: "machine", machine });
        for (const enrolment of kept?.enrolments ?? []) last.push({ kind: "enrolment", enrolment });
        continue;
      }
      const record = decodePeer(data);
      if (record === undefined) leftOut(`the record ${subject} cannot be read`);
      else if (record.peer !== undefined) page.push({ kind: "peer", peer: record.peer });
      if (page.length < maxCopiedRecords) continue;
      yield page;
      page = [];
    }
    yield page;
    yield last;
  }

  async function* exportDeliveries(
    leftOut: (words: string) => void,
  ): AsyncGenerator<readonly StoreRecord[]> {
    // Receipts stand in the order of their last moves.
    const registers = new Map<number, Uint8Array>();
    for await (const { subject, data } of readStream(link, names.receipts)) {
      const key = subjects.readReceipt(subject);
      if (key !== undefined) registers.set(key.seq, Uint8Array.from(data));
    }
    let page: StoreRecord[] = [];
    let bytes = 0;
    for await (const { subject, seq, data, headers } of readStream(link, names.mail)) {
      const header = (name: string): string => headers?.get(name) ?? "";
      const head = readHead(subjects, { subject, seq, sizeBytes: data.byteLength, header });
      const kept = registers.get(seq);
      registers.delete(seq);
      const register = kept === undefined ? head && firstRegister(head) : readRegister(kept);
      if (head === undefined || register === undefined) {
        leftOut(`the message ${seq} of ${names.mail} cannot be read`);
        continue;
      }
      if (register.isRemoved) continue;
      const delivery: StoredDelivery = {
        body: Uint8Array.from(data),
        fingerprint: head.fingerprint,
        receipt: toReceipt(register.receipt),
        redriven: register.isRedriven,
      };
      page.push({ kind: "delivery", delivery });
      bytes += data.byteLength;
      if (page.length < maxCopiedRecords && bytes < maxCopiedBytes) continue;
      yield page;
      page = [];
      bytes = 0;
    }
    yield page;
  }

  async function importMachines(records: readonly StoreRecord[]): Promise<void> {
    const before = machines.length + enrolments.length;
    for (const record of records) {
      if (record.kind === "machine") machines.push(record.machine);
      if (record.kind === "enrolment") enrolments.push(record.enrolment);
    }
    if (machines.length + enrolments.length === before) return;
    const [outcome] = await store([
      {
        stream: names.peers,
        subject: machinesSubject,
        payload: Buffer.from(encodeMachines({ machines, enrolments })),
        expect: { lastSubjectSeq: machinesSeq },
      },
    ]);
    machinesSeq = outcome?.seq ?? 0;
  }

  /** First the messages, whose places in the stream are their seqs; then where each stands. */
  async function importDeliveries(deliveries: readonly StoredDelivery[]): Promise<void> {
    const heads = deliveries.map(headOf);
    const seqs = await append(
      deliveries.map(({ body }, index) => {
        const head = heads[index];
        if (head === undefined) throw new Error("a delivery without a head");
        const { to, from, messageId } = head;
        return {
          stream: names.mail,
          subject: subjects.mail({ to: to.peerId, from: from.peerId, messageId }),
          payload: body,
          headers: formatHead(head),
        };
      }),
    );
    await store(
      deliveries.flatMap(({ receipt, redriven }, index) => {
        const [given, seq] = [heads[index], seqs[index]];
        if (given === undefined || seq === undefined) return [];
        const first = firstRegister({ ...given, seq });
        const stands = { ...fromReceipt(receipt), seq };
        if (!redriven && isDeepStrictEqual(stands, first.receipt)) return [];
        const register = { ...first, receipt: stands, isRedriven: redriven };
        return [
          {
            stream: names.receipts,
            subject: subjects.receipt({ to: stands.peerId, seq, messageId: given.messageId }),
            ...formatRegister(register),
            expect: { lastSubjectSeq: 0 },
          },
        ];
      }),
    );
  }

  /**
   * Publishes in this order. One that has to be tried again, as in an election, may come behind others. Then what
   * came before it stays, and the rest is removed and published again.
   */
  async function append(publications: readonly Publication[]): Promise<number[]> {
    const placed: number[] = [];
    for (let tries = 1; placed.length < publications.length; tries += 1) {
      if (tries > maxAppendTries) throw new StoreError("UNAVAILABLE", unsteady);
      const stored = (await store(publications.slice(placed.length))).map(({ seq }) => seq);
      const firstWrong = stored.findIndex((seq, index) =>
        stored.slice(index + 1).some((later) => later < seq),
      );
      const right = firstWrong === -1 ? stored.length : firstWrong;
      placed.push(...stored.slice(0, right));
      for (const seq of stored.slice(right)) {
        await remove(seq);
      }
    }
    return placed;
  }

  /** An earlier try may have removed it. */
  async function remove(seq: number): Promise<void> {
    const patience = { clock: systemClock, endMs: systemClock.monotonic() + copyDeadlineMs };
    await throughElection(link, patience, (manager) => deleteMessage(manager, names.mail, seq));
  }

  async function store(publications: readonly Publication[]): Promise<Stored[]> {
    const outcomes = await Promise.all(
      publications.map((one) => publisher.publish({ ...one, deadlineMs: copyDeadlineMs })),
    );
    return outcomes.map((outcome) => {
      if (outcome.state === "stored") return outcome;
      throw toStoreError(outcome);
    });
  }
}

type Stored = Extract<PublishOutcome, { state: "stored" }>;

const unsteady =
  "JetStream elects its leaders again and again: move when its servers run steadily.";

function toStoreError(outcome: Exclude<PublishOutcome, Stored>): StoreError {
  switch (outcome.state) {
    case "full":
      return new StoreError("FULL", outcome.words);
    case "conflict":
      return new StoreError("CONFLICT", "A record to be moved is there already.");
    default:
      return new StoreError("UNAVAILABLE", outcome.words);
  }
}

function headOf({ body, fingerprint, receipt }: StoredDelivery): Omit<MailHead, "seq"> {
  const message = fromBinary(MessageSchema, body);
  const { from, messageId, threadId, acceptTime, expireTime } = message;
  const { recipient } = receipt;
  if (from === undefined || recipient === undefined) {
    throw new StoreError("DATA_LOSS", "A message to be moved names no sender, or no recipient.");
  }
  return {
    to: recipient,
    from,
    messageId,
    fingerprint,
    threadId,
    acceptMs: acceptTime === undefined ? 0 : timestampMs(acceptTime),
    expireMs: expireTime === undefined ? 0 : timestampMs(expireTime),
    queuedMs: fromReceipt(receipt).queuedMs,
    sizeBytes: body.byteLength,
    leasedEpoch: undefined,
    isAdded: !message.to.some(({ peerId }) => peerId === recipient.peerId),
  };
}
