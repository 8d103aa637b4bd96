import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { climb } from "../stored-message.js";
import { maxBacklogSenders } from "../limits.js";
import type { Position } from "../queue-readers.js";
import type { Quarantine } from "./damage/quarantine.js";
import type { AdvancedRow, ExpiryRow, Operations, TakenRow } from "./operations.js";
import { receiptOf, receiptWriter, soundDelivery, toAdvanced } from "./receipts.js";
import { mailSelect, type ReadMail, readInteger, readText, type Statements } from "./statements.js";

type OpenMailOperations = Pick<
  Operations,
  "take" | "backlog" | "listOpen" | "countWaiting" | "listExpired" | "nextExpiryMs"
>;

const deadLettered = { state: ReceiptState.DEAD_LETTERED, reason: "its stored bytes are damaged" };

/** The open mail of queues: for their readers, as numbers, and by the time it expires. */
export function openMailOperations(
  statements: Statements,
  quarantine: Quarantine,
): OpenMailOperations {
  const openAt = statements.prepare<ReadMail>(
    `${mailSelect} WHERE d.seq = :seq AND d.peer_id = :peerId AND d.state <= 3`,
  );
  const openAfter = statements.prepare<ReadMail>(
    `${mailSelect} WHERE d.peer_id = :peerId AND d.seq > :after AND d.state <= 3
    ORDER BY d.seq LIMIT 1`,
  );
  const countOpenAfter = statements.prepare<{ messages: number }>(
    `SELECT count(*) AS messages FROM delivery INDEXED BY delivery_open
    WHERE peer_id = :peerId AND seq > :after AND state <= 3`,
  );
  /** The oldest open message of each sender, for the first senders. */
  const sendersAfter = statements.prepare<{ seq: number }>(
    `SELECT min(seq) AS seq FROM delivery INDEXED BY delivery_open
    WHERE peer_id = :peerId AND seq > :after AND state <= 3
    GROUP BY from_peer_id ORDER BY seq LIMIT :limit`,
  );
  const listOpen = statements.prepare<{ seq: number }>(
    `SELECT seq FROM delivery INDEXED BY delivery_open
    WHERE peer_id = :peerId AND state <= 3 ORDER BY seq LIMIT :limit`,
  );
  const countWaiting = statements.prepare<{ messages: number }>(
    `SELECT ${readInteger("waiting_messages")} AS messages FROM queue WHERE peer_id = :peerId`,
  );
  const listExpired = statements.prepare<ExpiryRow>(
    `SELECT ${readText("peer_id")} AS peerId, seq, ${readInteger("expire_time_ms")} AS expireTimeMs
    FROM delivery INDEXED BY delivery_waiting
    WHERE state <= 2 AND (expire_time_ms, seq) > (:expireTimeMs, :seq) AND expire_time_ms <= :nowMs
    ORDER BY expire_time_ms, seq LIMIT :limit`,
  );
  const nextExpiry = statements.prepare<{ expireTimeMs: number | null }>(
    `SELECT ${readInteger("min(expire_time_ms)")} AS expireTimeMs
    FROM delivery INDEXED BY delivery_waiting WHERE state <= 2`,
  );
  const write = receiptWriter(statements);

  return {
    take(peerId, position, { maxMessages, maxBytes }, nowMs) {
      const messages: TakenRow[] = [];
      const damaged: AdvancedRow[] = [];
      let lastSeq = 0;
      let bytes = 0;
      let isAll = true;
      for (const row of open(peerId, position)) {
        const exceeds = messages.length > 0 && bytes + row.sizeBytes > maxBytes;
        if (messages.length >= maxMessages || exceeds) {
          isAll = false;
          break;
        }
        lastSeq = row.seq;
        const body = quarantine.intactBody(row);
        const sound = soundDelivery(quarantine, row, () => body);
        if (sound.isVoid) {
          write(sound, receiptOf(sound));
          damaged.push(toAdvanced(row, sound, receiptOf(sound), true));
          continue;
        }
        const before = receiptOf(sound);
        const change = body === undefined ? deadLettered : { state: ReceiptState.LEASED };
        const { receipt, moved } = climb(before, change, nowMs);
        if (moved) write(sound, receipt);
        if (body === undefined) {
          damaged.push(toAdvanced(row, sound, receipt, moved));
          continue;
        }
        const redelivered = sound.redriven === 1 || before.state !== ReceiptState.QUEUED;
        messages.push({ body, receipt, redelivered });
        bytes += sound.sizeBytes;
      }
      return { messages, damaged, lastSeq, isAll };
    },

    backlog(peerId, { after, returned }) {
      const returnedRows = returned.flatMap((seq) => openAt.all({ peerId, seq }));
      const unread = countOpenAfter.one({ peerId, after })?.messages ?? 0;
      const oldest = sendersAfter
        .all({ peerId, after, limit: maxBacklogSenders })
        .flatMap(({ seq }) => openAt.all({ peerId, seq }));
      const names = new Map<string, string>();
      for (const { senderPeerId, fromName } of [...returnedRows, ...oldest]) {
        if (!names.has(senderPeerId)) names.set(senderPeerId, fromName);
      }
      return {
        unread: returnedRows.length + unread,
        senders: [...names]
          .slice(0, maxBacklogSenders)
          .map(([senderPeerId, name]) => ({ peerId: senderPeerId, name })),
      };
    },

    listOpen: (peerId, limit) => listOpen.all({ peerId, limit }).map(({ seq }) => seq),

    countWaiting: (peerIds) =>
      new Map(peerIds.map((peerId) => [peerId, countWaiting.one({ peerId })?.messages ?? 0])),

    listExpired: (after, limit, nowMs) => listExpired.all({ ...after, limit, nowMs }),

    nextExpiryMs: () => nextExpiry.one()?.expireTimeMs ?? undefined,
  };

  /** Reads row by row, because each row has a body and the credit may end with any of them. */
  function* open(peerId: string, { returned, after }: Position) {
    for (const seq of returned) yield* openAt.all({ peerId, seq });
    for (let last = after; ;) {
      const row = openAfter.one({ peerId, after: last });
      if (row === undefined) return;
      yield row;
      last = row.seq;
    }
  }
}
