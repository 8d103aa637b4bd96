/**
 * No column is read as it is stored: libsql ends the process at a text that is no UTF-8, and a flipped bit
 * makes one, or turns a number into a text. Texts are read as bytes (an empty one for NULL), and whether
 * they are what was written is for the checksums to say.
 */
const text = (column: string, name: string): string =>
  `coalesce(CAST(${column} AS BLOB), x'') AS ${name}`;
const integer = (column: string, name: string): string => `CAST(${column} AS INTEGER) AS ${name}`;
const blob = (column: string, name: string): string => `CAST(${column} AS BLOB) AS ${name}`;

const peerColumns = [
  text("peer_id", "peerId"),
  text("name", "name"),
  integer("kind", "kind"),
  blob("profile", "profile"),
  integer("create_time_ms", "createTimeMs"),
  integer("last_seen_ms", "lastSeenMs"),
  text("secret_hash", "secretHash"),
  text("base_name", "baseName"),
  integer("number", "number"),
  integer("epoch", "epoch"),
  text("instance_id", "instanceId"),
  text("conversations", "conversations"),
  integer("revision", "revision"),
];
/** What later versions of the schema added to them. */
const laterPeerColumns = [
  text("former_names", "formerNames"),
  integer("muted_until_ms", "mutedUntilMs"),
];
const peerChecksums = [
  integer("identity_checksum", "identityChecksum"),
  integer("name_checksum", "nameChecksum"),
  integer("checksum", "checksum"),
];

const deliveryColumns = [
  "d.seq",
  integer("d.message", "id"),
  text("d.peer_id", "peerId"),
  text("d.peer_name", "peerName"),
  text("d.from_peer_id", "senderPeerId"),
  integer("d.size_bytes", "sizeBytes"),
  integer("d.expire_time_ms", "expireTimeMs"),
  integer("d.redriven", "redriven"),
  integer("d.state", "state"),
  integer("d.queued_ms", "queuedMs"),
  integer("d.leased_ms", "leasedMs"),
  integer("d.presented_ms", "presentedMs"),
  integer("d.confirmed_ms", "confirmedMs"),
  integer("d.answered_ms", "answeredMs"),
  integer("d.ended_ms", "endedMs"),
  integer("d.confirmed_by", "confirmedBy"),
  integer("d.attempts", "attempts"),
  text("d.reason", "reason"),
];
const checkedDelivery = [...deliveryColumns, integer("d.checksum", "deliveryChecksum")].join();

/** Its id is read from elsewhere, where its row may be gone. */
const messageColumns = [
  text("m.from_peer_id", "fromPeerId"),
  text("m.from_name", "fromName"),
  text("m.message_id", "messageId"),
  text("m.thread_id", "threadId"),
  text("m.fingerprint", "fingerprint"),
  integer("m.accept_time_ms", "acceptTimeMs"),
  integer("m.checksum", "checksum"),
  blob("m.body", "body"),
].join();

export const messageSelect = `SELECT m.id, ${messageColumns} FROM message m`;
export const deliverySelect = `SELECT ${checkedDelivery} FROM delivery d`;

/** A delivery whose message row is gone is still found, as a damaged one. */
const delivery = `SELECT ${checkedDelivery}, ${messageColumns}
  FROM delivery d LEFT JOIN message m ON m.id = d.message`;

/** A condition on a delivery: this peer may see its receipt, as the recipient or the sender; an empty one sees all. */
const visible = (delivery: string, viewer: string): string => `(${viewer} = ''
  OR ${delivery}.peer_id = ${viewer} OR ${delivery}.from_peer_id = ${viewer})`;

/** A condition on the message `id`: a receipt that the viewer sees is in this state, or the state is 0. */
const hasState = (id: string, state: string, viewer: string): string => `(${state} = 0 OR EXISTS
  (SELECT 1 FROM delivery s WHERE s.message = ${id} AND s.state = ${state}
    AND ${visible("s", viewer)}))`;

/** A condition on the message `id`: this peer sent or received it, or the peer is empty. */
const involvesPeer = (id: string, peer: string): string => `(${peer} = '' OR EXISTS
  (SELECT 1 FROM participant p WHERE p.peer_id = ${peer} AND p.message = ${id}))`;

/** What AUTOINCREMENT remembers. */
function sequence(table: string): string {
  return `coalesce((SELECT CAST(seq AS INTEGER) FROM sqlite_sequence WHERE name = '${table}'), 0)`;
}

const peerSelect = `SELECT rowid AS place,
  ${[...peerColumns, ...peerChecksums, ...laterPeerColumns].join()} FROM peer`;

/** As the second version of the schema had them. */
export const checkedPeers = `SELECT rowid AS place, ${[...peerColumns, ...peerChecksums].join()}
  FROM peer`;

/** Every statement of the store; `?N` are the parameters of the method of the same name. */
export const sql = {
  listPeers: peerSelect,
  getPeer: `${peerSelect} WHERE peer_id = ?1`,
  peerByName: `SELECT ${text("peer_id", "peerId")} FROM peer WHERE name = ?1`,
  peerBySecret: `SELECT ${text("peer_id", "peerId")} FROM peer WHERE secret_hash = ?1`,
  insertPeer: `INSERT INTO peer (peer_id, name, kind, profile, create_time_ms, last_seen_ms,
    secret_hash, base_name, number, epoch, instance_id, conversations, revision,
    identity_checksum, name_checksum, checksum, former_names, muted_until_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)`,
  deletePeerAt: `DELETE FROM peer WHERE rowid = ?1`,
  deletePeer: `DELETE FROM peer WHERE peer_id = ?1`,
  deleteQueue: `DELETE FROM queue WHERE peer_id = ?1`,
  getQueue: `SELECT ${integer("open_messages", "openMessages")},
    ${integer("open_bytes", "openBytes")}, ${integer("waiting_messages", "waitingMessages")}
    FROM queue WHERE peer_id = ?1`,
  getShare: `SELECT ${integer("open_messages", "openMessages")}, ${integer("open_bytes", "openBytes")}
    FROM queue_share WHERE peer_id = ?1 AND from_peer_id = ?2`,
  getMail: `SELECT ${integer("bytes", "bytes")} FROM mail WHERE from_peer_id = ?1`,

  getMessage: `${messageSelect} WHERE m.id = ?1`,
  messageByKey: `${messageSelect}
    WHERE m.from_peer_id = ?1 AND m.message_id = ?2`,
  /** The greatest keys that were ever given out. */
  lastKeys: `SELECT
    max((SELECT coalesce(max(id), 0) FROM message), ${sequence("message")}) AS id,
    max((SELECT coalesce(max(seq), 0) FROM delivery), ${sequence("delivery")}) AS seq`,
  insertMessage: `INSERT INTO message (id, from_peer_id, from_name, message_id, thread_id,
    fingerprint, accept_time_ms, checksum, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
  insertParticipant: `INSERT OR IGNORE INTO participant (peer_id, message) VALUES (?1, ?2)`,
  involves: `SELECT 1 AS found FROM participant WHERE peer_id = ?1 LIMIT 1`,

  insertDelivery: `INSERT INTO delivery (seq, message, peer_id, peer_name, from_peer_id, size_bytes,
    expire_time_ms, redriven, state, queued_ms, confirmed_by, attempts, reason, checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 1, ?8, 0, 0, '', ?9)`,
  receiptOf: `${deliverySelect} WHERE d.message = ?1 AND d.peer_id = ?2`,
  receiptsOf: `${deliverySelect} WHERE d.message = ?1 ORDER BY d.seq`,
  getDelivery: `${delivery} WHERE d.seq = ?1 AND d.peer_id = ?2`,
  /** All that is in no index but the state. */
  setReceipt: `UPDATE delivery SET state = ?2, leased_ms = ?3, presented_ms = ?4, confirmed_ms = ?5,
    answered_ms = ?6, ended_ms = ?7, confirmed_by = ?8, attempts = ?9, reason = ?10,
    queued_ms = ?11, peer_name = ?12, size_bytes = ?13, redriven = ?14, checksum = ?15
    WHERE seq = ?1`,
  deleteDelivery: `DELETE FROM delivery WHERE seq = ?1`,

  listExpired: `SELECT ${text("peer_id", "peerId")}, seq,
    ${integer("expire_time_ms", "expireTimeMs")}
    FROM delivery INDEXED BY delivery_waiting
    WHERE state <= 2 AND (expire_time_ms, seq) > (?1, ?2) AND expire_time_ms <= ?3
    ORDER BY expire_time_ms, seq LIMIT ?4`,
  nextExpiry: `SELECT ${integer("min(expire_time_ms)", "expireTimeMs")} FROM delivery INDEXED BY delivery_waiting
    WHERE state <= 2`,

  openAt: `${delivery} WHERE d.seq = ?2 AND d.peer_id = ?1 AND d.state <= 3`,
  openAfter: `${delivery} WHERE d.peer_id = ?1 AND d.seq > ?2 AND d.state <= 3
    ORDER BY d.seq LIMIT 1`,
  listOpen: `SELECT seq FROM delivery INDEXED BY delivery_open
    WHERE peer_id = ?1 AND state <= 3 ORDER BY seq LIMIT ?2`,
  countOpenAfter: `SELECT count(*) AS messages FROM delivery INDEXED BY delivery_open
    WHERE peer_id = ?1 AND seq > ?2 AND state <= 3`,
  /** The oldest open message of each of the first senders. */
  sendersAfter: `SELECT min(seq) AS seq FROM delivery INDEXED BY delivery_open
    WHERE peer_id = ?1 AND seq > ?2 AND state <= 3 GROUP BY from_peer_id ORDER BY seq LIMIT ?3`,

  findMessages: `SELECT m.id FROM message m INDEXED BY message_by_suffix
    WHERE substr(m.message_id, -8) = substr(?1, -8) AND substr(m.message_id, -length(?1)) = ?1
      AND (?2 = '[]' OR m.from_peer_id IN (SELECT value FROM json_each(?2))
        OR m.from_name IN (SELECT value FROM json_each(?2)))
      AND ${involvesPeer("m.id", "?3")}
    ORDER BY m.id LIMIT ?4`,
  listAll: `SELECT id FROM message WHERE id < ?1 AND ${hasState("message.id", "?2", "''")}
    ORDER BY id DESC LIMIT ?3`,
  listOfPeer: `SELECT ${integer("a.message", "id")} FROM participant a WHERE a.peer_id = ?1 AND a.message < ?3
      AND ${involvesPeer("a.message", "?2")} AND ${hasState("a.message", "?4", "?6")}
    ORDER BY a.message DESC LIMIT ?5`,
  listOfThread: `SELECT m.id FROM message m INDEXED BY message_by_thread
    WHERE m.thread_id = ?1 AND m.id < ?4 AND ${hasState("m.id", "?5", "?2")}
      AND ${involvesPeer("m.id", "?2")} AND ${involvesPeer("m.id", "?3")}
    ORDER BY m.id DESC LIMIT ?6`,
  /** What expired or was dead-lettered: few among many. */
  listEnded: `SELECT ${integer("e.message", "id")} FROM delivery e INDEXED BY delivery_ended
    WHERE e.state >= 6 AND e.state = ?1 AND e.message < ?5
      AND ${visible("e", "?2")} AND ${involvesPeer("e.message", "?3")}
      AND (?4 = '' OR EXISTS
        (SELECT 1 FROM message m WHERE m.id = e.message AND m.thread_id = ?4))
    GROUP BY e.message ORDER BY e.message DESC LIMIT ?6`,

  /** In the order of acceptance times, from the one after (?1, ?2) on. */
  agedMessages: `SELECT id, ${integer("accept_time_ms", "acceptTimeMs")},
    ${text("from_peer_id", "fromPeerId")}
    FROM message INDEXED BY message_by_accept_time
    WHERE (accept_time_ms, id) > (?1, ?2) AND accept_time_ms < ?3
    ORDER BY accept_time_ms, id LIMIT ?4`,
  /** What a peer sent or received, in the order of acceptance. */
  messagesOf: `SELECT ${integer("message", "id")} FROM participant
    WHERE peer_id = ?1 AND message > ?2 ORDER BY message LIMIT ?3`,
  recipientsOf: `SELECT ${text("peer_id", "peerId")}, ${integer("state", "state")}
    FROM delivery WHERE message = ?1`,
  deleteMessage: `DELETE FROM message WHERE id = ?1`,
  deleteDeliveries: `DELETE FROM delivery WHERE message = ?1`,
  deleteParticipant: `DELETE FROM participant WHERE peer_id = ?1 AND message = ?2`,
  size: `SELECT page_count AS pages, freelist_count AS freePages, page_size AS pageBytes
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  freePages: `SELECT freelist_count AS pages FROM pragma_freelist_count`,
} as const;
