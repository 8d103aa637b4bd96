import { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";
import { StoreError } from "../../broker/store/store.js";
import { isIntact, sumsOf } from "./damage/checksums.js";
import type { Operations, PeerRow } from "./operations.js";
import {
  peerSelect,
  type ReadPeer,
  readText,
  type Statement,
  type Statements,
} from "./statements.js";
import { peerTable } from "./tables.js";

type PeerOperations = Pick<
  Operations,
  "loadPeers" | "createPeer" | "updatePeer" | "removePeer" | "forgetPeer"
>;

/** @param tell hears of each peer that is found damaged. */
export function peerOperations(
  statements: Statements,
  tell: (words: string) => void = () => {},
): PeerOperations {
  const listPeers = statements.prepare<ReadPeer>(peerSelect);
  const getPeer = peerById(statements);
  const peerByName = statements.prepare<{ peerId: string }>(
    `SELECT ${readText("peer_id")} AS peerId FROM peer WHERE name = :name`,
  );
  const peerBySecret = statements.prepare<{ peerId: string }>(
    `SELECT ${readText("peer_id")} AS peerId FROM peer WHERE secret_hash = :secretHash`,
  );
  const insert = statements.insertInto(peerTable);
  const deletePeer = peerDeletion(statements);
  const deletePeerAt = statements.prepare("DELETE FROM peer WHERE rowid = :place");
  const deleteQueue = statements.prepare("DELETE FROM queue WHERE peer_id = :peerId");
  const isInvolved = statements.prepare<{ found: number }>(
    "SELECT 1 AS found FROM participant WHERE peer_id = :peerId LIMIT 1",
  );
  const hasOpenMail = statements.prepare<{ found: number }>(
    `SELECT 1 AS found FROM delivery INDEXED BY delivery_open
    WHERE peer_id = :peerId AND state <= 3 LIMIT 1`,
  );

  return {
    loadPeers: (nowMs) => listPeers.all().flatMap((found) => load(found, nowMs) ?? []),

    createPeer(peer) {
      const present = getPeer.one({ peerId: peer.peerId });
      if (present !== undefined) return assertRepeated(present, peer);
      assertUnique(peer);
      insert(peer);
    },

    updatePeer(peer) {
      const present = getPeer.one({ peerId: peer.peerId });
      if (present === undefined) {
        throw new StoreError("NOT_FOUND", `There is no peer ${peer.peerId}.`);
      }
      // The caller's peer was read when it was whole, so it replaces a damaged one.
      if (present.revision !== peer.revision - 1 && isIntact(peerTable, present)) {
        throw new StoreError("CONFLICT", `The peer is at revision ${present.revision}.`);
      }
      assertUnique(peer);
      deletePeer.run({ peerId: peer.peerId });
      insert(peer);
    },

    removePeer(peerId) {
      if (isInvolved.one({ peerId }) !== undefined) return false;
      remove(peerId);
      return true;
    },

    forgetPeer(peerId) {
      if (hasOpenMail.one({ peerId }) !== undefined) return false;
      remove(peerId);
      return true;
    },
  };

  /**
   * A peer as it was written. Of a damaged peer only columns that fit a checksum of their own are used. It
   * keeps its id, its secret and its mail. It keeps its names, or gets one that says what happened. Where
   * the id or the secret is damaged, the peer is removed, and its mail stays until it expires.
   */
  function load(found: ReadPeer, nowMs: number): PeerRow | undefined {
    const row = toPeerRow(found);
    const sums = sumsOf(peerTable, row);
    if (sums.checksum === found.checksum) return row;
    deletePeerAt.run(found);
    if (sums.identityChecksum !== found.identityChecksum) {
      tell("The id or the secret of a stored peer is damaged; its agent becomes a new peer.");
      return undefined;
    }
    const isNamed = sums.nameChecksum === found.nameChecksum;
    const rest = blankPeer(row, isNamed ? row : recoveredNames(row), nowMs);
    insert(rest);
    tell(`The stored peer ${rest.peerId} is damaged; it is now ${rest.name}, without a profile.`);
    return rest;
  }

  function assertUnique({ peerId, name, secretHash }: PeerRow): void {
    const named = peerByName.one({ name });
    if (named !== undefined && named.peerId !== peerId) {
      throw new StoreError("NAME_TAKEN", `Another peer has the name ${name}.`);
    }
    const known = peerBySecret.one({ secretHash });
    if (known !== undefined && known.peerId !== peerId) {
      throw new StoreError("SECRET_TAKEN", "Another peer has this secret.");
    }
  }

  function remove(peerId: string): void {
    deletePeer.run({ peerId });
    deleteQueue.run({ peerId });
  }
}

export function peerById(statements: Statements): Statement<ReadPeer> {
  return statements.prepare(`${peerSelect} WHERE p.peer_id = :peerId`);
}

export function peerDeletion(statements: Statements): Statement<never> {
  return statements.prepare("DELETE FROM peer WHERE peer_id = :peerId");
}

function toPeerRow(found: ReadPeer): PeerRow {
  const { place: _place, identityChecksum: _identity, nameChecksum: _name, ...read } = found;
  const { checksum: _checksum, profile, ...row } = read;
  return { ...row, profile: profile ?? new Uint8Array(0) };
}

type Names = Pick<PeerRow, "kind" | "name" | "baseName" | "number" | "conversations">;

/** A peer with its identity and names alone. */
function blankPeer({ peerId, secretHash }: PeerRow, names: Names, nowMs: number): PeerRow {
  const { kind, name, baseName, number, conversations } = names;
  return {
    peerId,
    secretHash,
    kind,
    name,
    baseName,
    number,
    conversations,
    profile: new Uint8Array(0),
    createTimeMs: nowMs,
    lastSeenMs: nowMs,
    epoch: 0,
    instanceId: "",
    revision: 1,
    formerNames: "[]",
    mutedUntilMs: 0,
  };
}

function recoveredNames({ peerId }: PeerRow): Names {
  const name = `recovered-${peerId.slice(-8)}`;
  return { kind: PeerKind.AGENT, name, baseName: name, number: 1, conversations: "[]" };
}

/** A creation may be repeated while nothing has changed since. */
function assertRepeated(present: ReadPeer, peer: PeerRow): void {
  const repeated =
    present.revision === peer.revision &&
    present.name === peer.name &&
    present.secretHash === peer.secretHash;
  if (!repeated) throw new StoreError("CONFLICT", `The peer ${peer.peerId} exists.`);
}
