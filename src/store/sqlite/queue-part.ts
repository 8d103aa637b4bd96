import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { MessageSchema, type Receipt } from "../../../gen/peerline/v1/message_pb.js";
import type { QueueStore } from "../../broker/store/queues.js";
import type { Clock } from "../../clock.js";
import type { HistoryWatch } from "../history-watch.js";
import { QueueReaders, type OpenMail } from "../queue-readers.js";
import { isOpen, stamp, toReceipt } from "../stored-message.js";
import type { Calls } from "./calls.js";
import type { EnqueueOutcome } from "./operations.js";
import { toAdvanced, toEnqueueResult, toQueued } from "./rows.js";

export interface QueuePart {
  readonly queues: QueueStore;
  /** What was removed is not handed out any more. */
  withdraw(receipts: readonly Receipt[]): void;
  close(): void;
}

export function openQueues(calls: Calls, clock: Clock, watch: HistoryWatch): QueuePart {
  const mail: OpenMail = {
    async take(peerId, position, credit) {
      const taken = await calls.call("take", peerId, position, credit, clock.now());
      const messages = taken.messages.map(toQueued);
      const damaged = taken.damaged.map(toAdvanced);
      for (const queued of messages) watch.leased(queued);
      for (const one of damaged) watch.moved(one);
      return { ...taken, messages, damaged };
    },
    backlog: (peerId, position) => calls.call("backlog", peerId, position),
  };
  const readers = new QueueReaders(mail, clock);

  const queues: QueueStore = {
    async enqueue(draft, recipients) {
      const acceptTimeMs = clock.now();
      const stamped = stamp(draft, acceptTimeMs);
      const body = toBinary(MessageSchema, stamped);
      const { messageId, threadId, fingerprint } = draft;
      const { peerId: fromPeerId, name: fromName } = draft.from;
      const claims = recipients.map(({ peerId }) => readers.claim(peerId, body.byteLength));
      const enqueuing = calls.call(
        "enqueue",
        { fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs, body },
        acceptTimeMs + draft.expiresInMs,
        recipients.map(({ peerId, name }, index) => {
          return { peerId, name, isLeased: claims[index] !== undefined };
        }),
      );
      let outcomes: EnqueueOutcome[];
      try {
        outcomes = await enqueuing;
      } catch (error) {
        for (const claim of claims) claim?.doubt();
        throw error;
      }
      const known = outcomes.find((outcome) => outcome.ok && outcome.earlierBody !== undefined);
      const earlierBody = known?.ok === true ? known.earlierBody : undefined;
      const message = earlierBody === undefined ? stamped : fromBinary(MessageSchema, earlierBody);
      const sizeBytes = (earlierBody ?? body).byteLength;
      const results = outcomes.map((outcome) => toEnqueueResult(outcome, message));
      watch.accepted(results);
      outcomes.forEach((outcome, index) => {
        const claim = claims[index];
        if (!outcome.ok || outcome.duplicate) claim?.release();
        else if (claim === undefined) readers.wake(outcome.receipt.peerId);
        else {
          const receipt = toReceipt(outcome.receipt);
          const queued = { message, receipt, sizeBytes, redelivered: false };
          watch.leased(queued);
          claim.handOut(queued);
        }
      });
      return results;
    },

    open: (of, listener) => readers.open(of, listener),

    listOpen: async ({ peerId, limit }) =>
      (await calls.call("listOpen", peerId, limit)).map(BigInt),
    countWaiting: (peerIds) => calls.call("countWaiting", peerIds),

    async advance(peerId, seq, change) {
      const row = await calls.call("advance", peerId, Number(seq), change, clock.now());
      const advanced = toAdvanced(row);
      if (!isOpen(row.receipt.state)) readers.withdraw([advanced.receipt]);
      watch.moved(advanced);
      return advanced;
    },

    async redrive(peerId, seq) {
      const offer = readers.reopening(peerId);
      const row = await calls.call("redrive", peerId, Number(seq));
      const advanced = toAdvanced(row);
      watch.moved(advanced);
      await offer(row.receipt.seq);
      return advanced;
    },

    drop: (peerId, seq) => calls.call("drop", peerId, Number(seq)),
  };

  return {
    queues,
    withdraw: (receipts) => readers.withdraw(receipts),
    close: () => readers.close(),
  };
}
