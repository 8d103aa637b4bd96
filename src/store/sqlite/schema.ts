import type Database from "libsql";
import { addChecksums } from "./add-checksums.js";

/** Marks the file's header as ours: "Peer". */
export const applicationId = 0x50656572;

/**
 * The steps from one version of the schema to the next. The version of a file (PRAGMA user_version) is the
 * number of steps that it has been through. A released step never changes. Each is SQL, or a function.
 *
 * States are those of ReceiptState: open up to 3 (PRESENTED), waiting up to 2 (LEASED), ended from 6
 * (EXPIRED) on. Times are milliseconds since the Unix epoch.
 */
export const migrations: readonly Migration[] = [
  `
  CREATE TABLE peer (
    peer_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    secret_hash TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    profile BLOB NOT NULL, -- encoded peerline.v1.Profile
    create_time_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    base_name TEXT NOT NULL,
    number INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    instance_id TEXT NOT NULL,
    conversations TEXT NOT NULL, -- JSON
    revision INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance
    from_peer_id TEXT NOT NULL,
    from_name TEXT NOT NULL,
    message_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    accept_time_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    body BLOB NOT NULL, -- encoded peerline.v1.Message
    UNIQUE (from_peer_id, message_id)
  ) STRICT;
  CREATE INDEX message_by_suffix ON message (substr(message_id, -8));
  CREATE INDEX message_by_thread ON message (thread_id);
  CREATE INDEX message_by_accept_time ON message (accept_time_ms);

  -- Who sent or received a message.
  CREATE TABLE participant (
    peer_id TEXT NOT NULL,
    message INTEGER NOT NULL, -- message.id
    PRIMARY KEY (peer_id, message)
  ) STRICT, WITHOUT ROWID;

  -- One message for one recipient, and its receipt.
  CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL, -- message.id
    peer_id TEXT NOT NULL,
    peer_name TEXT NOT NULL,
    from_peer_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    expire_time_ms INTEGER NOT NULL,
    redriven INTEGER NOT NULL, -- 1: it came back from the dead letters
    state INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    leased_ms INTEGER,
    presented_ms INTEGER,
    confirmed_ms INTEGER,
    answered_ms INTEGER,
    ended_ms INTEGER,
    confirmed_by INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (message, peer_id)
  ) STRICT;
  CREATE INDEX delivery_open ON delivery (peer_id, seq, from_peer_id, state) WHERE state <= 3;
  CREATE INDEX delivery_waiting ON delivery (expire_time_ms, seq, peer_id) WHERE state <= 2;
  CREATE INDEX delivery_ended ON delivery (state, message) WHERE state >= 6;

  -- What is open of each peer; kept by the triggers.
  CREATE TABLE queue (
    peer_id TEXT PRIMARY KEY,
    open_messages INTEGER NOT NULL,
    open_bytes INTEGER NOT NULL,
    waiting_messages INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER delivery_queued AFTER INSERT ON delivery BEGIN
    INSERT INTO queue VALUES (NEW.peer_id, 1, NEW.size_bytes, 1)
    ON CONFLICT (peer_id) DO UPDATE SET
      open_messages = open_messages + 1,
      open_bytes = open_bytes + NEW.size_bytes,
      waiting_messages = waiting_messages + 1;
  END;
  CREATE TRIGGER delivery_presented AFTER UPDATE OF state ON delivery
  WHEN OLD.state <= 2 AND NEW.state > 2 BEGIN
    UPDATE queue SET waiting_messages = waiting_messages - 1 WHERE peer_id = NEW.peer_id;
  END;
  CREATE TRIGGER delivery_closed AFTER UPDATE OF state ON delivery
  WHEN OLD.state <= 3 AND NEW.state > 3 BEGIN
    UPDATE queue SET
      open_messages = open_messages - 1,
      open_bytes = open_bytes - NEW.size_bytes
    WHERE peer_id = NEW.peer_id;
  END;
  CREATE TRIGGER delivery_redriven AFTER UPDATE OF state ON delivery
  WHEN OLD.state > 3 AND NEW.state <= 2 BEGIN
    UPDATE queue SET
      open_messages = open_messages + 1,
      open_bytes = open_bytes + NEW.size_bytes,
      waiting_messages = waiting_messages + 1
    WHERE peer_id = NEW.peer_id;
  END;
  `,
  addChecksums,
  `
  ALTER TABLE peer ADD COLUMN former_names TEXT NOT NULL DEFAULT '[]'; -- JSON
  ALTER TABLE peer ADD COLUMN muted_until_ms INTEGER NOT NULL DEFAULT 0;

  -- What is open of each sender in each queue; kept by the triggers.
  CREATE TABLE queue_share (
    peer_id TEXT NOT NULL,
    from_peer_id TEXT NOT NULL,
    open_messages INTEGER NOT NULL,
    open_bytes INTEGER NOT NULL,
    PRIMARY KEY (peer_id, from_peer_id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO queue_share SELECT peer_id, from_peer_id, count(*), sum(size_bytes)
    FROM delivery WHERE state <= 3 GROUP BY peer_id, from_peer_id;
  CREATE TRIGGER share_queued AFTER INSERT ON delivery BEGIN
    INSERT INTO queue_share VALUES (NEW.peer_id, NEW.from_peer_id, 1, NEW.size_bytes)
    ON CONFLICT (peer_id, from_peer_id) DO UPDATE SET
      open_messages = open_messages + 1, open_bytes = open_bytes + NEW.size_bytes;
  END;
  CREATE TRIGGER share_closed AFTER UPDATE OF state ON delivery
  WHEN OLD.state <= 3 AND NEW.state > 3 BEGIN
    UPDATE queue_share SET
      open_messages = open_messages - 1, open_bytes = open_bytes - NEW.size_bytes
    WHERE peer_id = NEW.peer_id AND from_peer_id = NEW.from_peer_id;
    DELETE FROM queue_share WHERE peer_id = NEW.peer_id AND from_peer_id = NEW.from_peer_id
      AND open_messages = 0;
  END;
  CREATE TRIGGER share_redriven AFTER UPDATE OF state ON delivery
  WHEN OLD.state > 3 AND NEW.state <= 2 BEGIN
    INSERT INTO queue_share VALUES (NEW.peer_id, NEW.from_peer_id, 1, NEW.size_bytes)
    ON CONFLICT (peer_id, from_peer_id) DO UPDATE SET
      open_messages = open_messages + 1, open_bytes = open_bytes + NEW.size_bytes;
  END;
  CREATE TRIGGER delivery_removed AFTER DELETE ON delivery WHEN OLD.state <= 3 BEGIN
    UPDATE queue SET
      open_messages = open_messages - 1,
      open_bytes = open_bytes - OLD.size_bytes,
      waiting_messages = waiting_messages - (OLD.state <= 2)
    WHERE peer_id = OLD.peer_id;
    UPDATE queue_share SET
      open_messages = open_messages - 1, open_bytes = open_bytes - OLD.size_bytes
    WHERE peer_id = OLD.peer_id AND from_peer_id = OLD.from_peer_id;
    DELETE FROM queue_share WHERE peer_id = OLD.peer_id AND from_peer_id = OLD.from_peer_id
      AND open_messages = 0;
  END;

  -- The bytes that are kept of each sender's messages, whatever their state, and under '' of all;
  -- kept by the triggers. Each recipient counts as 512.
  CREATE TABLE mail (
    from_peer_id TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO mail SELECT from_peer_id, sum(bytes) FROM (
    SELECT from_peer_id, length(body) AS bytes FROM message
    UNION ALL SELECT from_peer_id, 512 FROM delivery
    UNION ALL SELECT '', length(body) FROM message
    UNION ALL SELECT '', 512 FROM delivery) GROUP BY from_peer_id;
  CREATE TRIGGER message_kept AFTER INSERT ON message BEGIN
    INSERT INTO mail VALUES (NEW.from_peer_id, length(NEW.body)), ('', length(NEW.body))
    ON CONFLICT (from_peer_id) DO UPDATE SET bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER message_forgotten AFTER DELETE ON message BEGIN
    UPDATE mail SET bytes = bytes - length(OLD.body) WHERE from_peer_id IN ('', OLD.from_peer_id);
    DELETE FROM mail WHERE from_peer_id = OLD.from_peer_id AND bytes = 0;
  END;
  CREATE TRIGGER delivery_kept AFTER INSERT ON delivery BEGIN
    INSERT INTO mail VALUES (NEW.from_peer_id, 512), ('', 512)
    ON CONFLICT (from_peer_id) DO UPDATE SET bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER delivery_forgotten AFTER DELETE ON delivery BEGIN
    UPDATE mail SET bytes = bytes - 512 WHERE from_peer_id IN ('', OLD.from_peer_id);
    DELETE FROM mail WHERE from_peer_id = OLD.from_peer_id AND bytes = 0;
  END;
  `,
  `
  -- Other computers, and other homes, that were let in.
  CREATE TABLE machine (
    machine_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL,
    credential_hash TEXT NOT NULL UNIQUE,
    create_time_ms INTEGER NOT NULL,
    last_use_ms INTEGER NOT NULL,
    last_use_address TEXT NOT NULL,
    revoke_time_ms INTEGER NOT NULL, -- 0: it is let in
    revision INTEGER NOT NULL,
    checksum INTEGER NOT NULL
  ) STRICT;

  -- Tokens with which machines enrol.
  CREATE TABLE enrolment (
    token_hash TEXT PRIMARY KEY,
    scope INTEGER NOT NULL,
    uses_left INTEGER NOT NULL,
    expire_time_ms INTEGER NOT NULL
  ) STRICT;
  `,
];

/** SQL, or a function that works inside the transaction of the migration. */
export type Migration = string | ((database: Database.Database) => void);
