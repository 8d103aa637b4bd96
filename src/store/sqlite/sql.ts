const peerColumns = `peer_id AS peerId, name, kind, profile, create_time_ms AS createTimeMs,
  last_seen_ms AS lastSeenMs, secret_hash AS secretHash, base_name AS baseName, number, epoch,
  instance_id AS instanceId, conversations, revision`;

const receiptColumns = `d.seq, d.peer_id AS peerId, d.peer_name AS peerName, d.state,
  d.queued_ms AS queuedMs, d.leased_ms AS leasedMs, d.presented_ms AS presentedMs,
  d.confirmed_ms AS confirmedMs, d.answered_ms AS answeredMs, d.ended_ms AS endedMs,
  d.confirmed_by AS confirmedBy, d.attempts, d.reason`;

/** Its id is read from elsewhere, where its row may be gone. */
const messageColumns = `m.from_peer_id AS fromPeerId, m.from_name AS fromName,
  m.message_id AS messageId, m.thread_id AS threadId, m.fingerprint,
  m.accept_time_ms AS acceptTimeMs, m.checksum, m.body`;

/** A delivery whose message row is gone is still found, as a damaged one. */
const delivery = `SELECT ${receiptColumns}, d.message AS id, d.from_peer_id AS senderPeerId,
  d.size_bytes AS sizeBytes, d.redriven, ${messageColumns}
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

/** Every statement of the store; `?N` are the parameters of the method of the same name. */
export const sql = {
  listPeers: `SELECT ${peerColumns} FROM peer`,
  getPeer: `SELECT ${peerColumns} FROM peer WHERE peer_id = ?1`,
  peerByName: `SELECT peer_id AS peerId FROM peer WHERE name = ?1`,
  peerBySecret: `SELECT peer_id AS peerId FROM peer WHERE secret_hash = ?1`,
  insertPeer: `INSERT INTO peer (peer_id, name, kind, profile, create_time_ms, last_seen_ms,
    secret_hash, base_name, number, epoch, instance_id, conversations, revision)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
  deletePeer: `DELETE FROM peer WHERE peer_id = ?1`,
  deleteQueue: `DELETE FROM queue WHERE peer_id = ?1`,
  getQueue: `SELECT open_messages AS openMessages, open_bytes AS openBytes,
    waiting_messages AS waitingMessages FROM queue WHERE peer_id = ?1`,

  getMessage: `SELECT m.id, ${messageColumns} FROM message m WHERE m.id = ?1`,
  messageByKey: `SELECT m.id, ${messageColumns} FROM message m
    WHERE m.from_peer_id = ?1 AND m.message_id = ?2`,
  insertMessage: `INSERT INTO message (from_peer_id, from_name, message_id, thread_id, fingerprint,
    accept_time_ms, checksum, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
  insertParticipant: `INSERT OR IGNORE INTO participant (peer_id, message) VALUES (?1, ?2)`,
  involves: `SELECT 1 AS found FROM participant WHERE peer_id = ?1 LIMIT 1`,

  insertDelivery: `INSERT INTO delivery (message, peer_id, peer_name, from_peer_id, size_bytes,
    expire_time_ms, redriven, state, queued_ms, confirmed_by, attempts, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 1, ?7, 0, 0, '')`,
  receiptOf: `SELECT ${receiptColumns} FROM delivery d WHERE d.message = ?1 AND d.peer_id = ?2`,
  receiptsOf: `SELECT ${receiptColumns} FROM delivery d WHERE d.message = ?1 ORDER BY d.seq`,
  getDelivery: `${delivery} WHERE d.seq = ?1 AND d.peer_id = ?2`,
  setReceipt: `UPDATE delivery SET state = ?2, leased_ms = ?3, presented_ms = ?4, confirmed_ms = ?5,
    answered_ms = ?6, ended_ms = ?7, confirmed_by = ?8, attempts = ?9, reason = ?10 WHERE seq = ?1`,
  markRedriven: `UPDATE delivery SET redriven = 1 WHERE seq = ?1`,
  deleteDelivery: `DELETE FROM delivery WHERE seq = ?1`,

  listExpired: `SELECT peer_id AS peerId, seq, expire_time_ms AS expireTimeMs
    FROM delivery INDEXED BY delivery_waiting
    WHERE state <= 2 AND (expire_time_ms, seq) > (?1, ?2) AND expire_time_ms <= ?3
    ORDER BY expire_time_ms, seq LIMIT ?4`,
  nextExpiry: `SELECT min(expire_time_ms) AS expireTimeMs FROM delivery INDEXED BY delivery_waiting
    WHERE state <= 2`,

  openAt: `${delivery} WHERE d.seq = ?2 AND d.peer_id = ?1 AND d.state <= 3`,
  openAfter: `${delivery} WHERE d.peer_id = ?1 AND d.seq > ?2 AND d.state <= 3
    ORDER BY d.seq LIMIT 1`,
  countOpenAfter: `SELECT count(*) AS messages FROM delivery INDEXED BY delivery_open
    WHERE peer_id = ?1 AND seq > ?2 AND state <= 3`,
  /** The oldest open message of each of the first senders. */
  sendersAfter: `SELECT min(seq) AS seq FROM delivery INDEXED BY delivery_open
    WHERE peer_id = ?1 AND seq > ?2 AND state <= 3 GROUP BY from_peer_id ORDER BY seq LIMIT ?3`,

  findMessages: `SELECT m.id FROM message m INDEXED BY message_by_suffix
    WHERE substr(m.message_id, -8) = substr(?1, -8) AND substr(m.message_id, -length(?1)) = ?1
      AND (?2 = '' OR m.from_peer_id = ?2) AND ${involvesPeer("m.id", "?3")}
    ORDER BY m.id DESC LIMIT ?4`,
  listAll: `SELECT id FROM message WHERE id < ?1 AND ${hasState("message.id", "?2", "''")}
    ORDER BY id DESC LIMIT ?3`,
  listOfPeer: `SELECT a.message AS id FROM participant a WHERE a.peer_id = ?1 AND a.message < ?3
      AND ${involvesPeer("a.message", "?2")} AND ${hasState("a.message", "?4", "?6")}
    ORDER BY a.message DESC LIMIT ?5`,
  listOfThread: `SELECT m.id FROM message m INDEXED BY message_by_thread
    WHERE m.thread_id = ?1 AND m.id < ?4 AND ${hasState("m.id", "?5", "?2")}
      AND ${involvesPeer("m.id", "?2")} AND ${involvesPeer("m.id", "?3")}
    ORDER BY m.id DESC LIMIT ?6`,
  /** What expired or was dead-lettered: few among many. */
  listEnded: `SELECT DISTINCT e.message AS id FROM delivery e INDEXED BY delivery_ended
    WHERE e.state >= 6 AND e.state = ?1 AND e.message < ?5
      AND ${visible("e", "?2")} AND ${involvesPeer("e.message", "?3")}
      AND (?4 = '' OR EXISTS
        (SELECT 1 FROM message m WHERE m.id = e.message AND m.thread_id = ?4))
    ORDER BY e.message DESC LIMIT ?6`,

  /** In the order of acceptance times, from the one after (?1, ?2) on. */
  agedMessages: `SELECT id, accept_time_ms AS acceptTimeMs, from_peer_id AS fromPeerId
    FROM message INDEXED BY message_by_accept_time
    WHERE (accept_time_ms, id) > (?1, ?2) AND accept_time_ms < ?3
    ORDER BY accept_time_ms, id LIMIT ?4`,
  recipientsOf: `SELECT peer_id AS peerId, state FROM delivery WHERE message = ?1`,
  deleteMessage: `DELETE FROM message WHERE id = ?1`,
  deleteDeliveries: `DELETE FROM delivery WHERE message = ?1`,
  deleteParticipant: `DELETE FROM participant WHERE peer_id = ?1 AND message = ?2`,
  size: `SELECT page_count AS pages, freelist_count AS freePages, page_size AS pageBytes
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  freePages: `SELECT freelist_count AS pages FROM pragma_freelist_count`,
} as const;
