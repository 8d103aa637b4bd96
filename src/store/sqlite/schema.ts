import type Database from "libsql";
import { addChecksums } from "./add-checksums.js";

/** In the header of the file: says that it is ours ("Peer"). */
export const applicationId = 0x50656572;

/**
 * The steps from one version of the schema to the next; the version of a file (PRAGMA user_version) is
 * how many of them it has been through. A released step never changes. What SQL cannot say is a function.
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
];

/** SQL, or what is done to the database inside the transaction of the migration. */
export type Migration = string | ((database: Database.Database) => void);
