import { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";
import { StoreError } from "../../broker/store.js";
import { insertPeer } from "./insert-rows.js";
import type { Operations, PeerRow } from "./operations.js";
import { identityChecksum, nameChecksum, peerChecksum } from "./damage/row-checksums.js";
import type { PeerColumns, Statements } from "./statements.js";

type PeerOperations = Pick<
  Operations,
  "loadPeers" | "createPeer" | "updatePeer" | "removePeer" | "forgetPeer" | "listOpen"
>;

/** @param tell is told of each peer that is found damaged. */
export function peerOperations(
  statements: Statements,
  tell: (words: string) => void = () => {},
): PeerOperations {
  return {
    loadPeers: (nowMs) =>
      statements.listPeers.all().flatMap((columns) => load(columns, nowMs) ?? []),

    createPeer(peer) {
      const present = statements.getPeer.one(peer.peerId);
      if (present !== undefined) return assertRepeated(present, peer);
      assertUnique(peer);
      insert(peer);
    },

    updatePeer(peer) {
      const present = statements.getPeer.one(peer.peerId);
      if (present === undefined) {
        throw new StoreError("NOT_FOUND", `There is no peer ${peer.peerId}.`);
      }
      // What is damaged on the disk is replaced by what the caller has had since it was whole.
      if (present.revision !== peer.revision - 1 && isIntact(present)) {
        throw new StoreError("CONFLICT", `The peer is at revision ${present.revision}.`);
      }
      assertUnique(peer);
      statements.deletePeer.run(peer.peerId);
      insert(peer);
    },

    removePeer(peerId) {
      if (statements.involves.one(peerId) !== undefined) return false;
      remove(peerId);
      return true;
    },

    forgetPeer(peerId) {
      if (statements.listOpen.one(peerId, 1) !== undefined) return false;
      remove(peerId);
      return true;
    },

    listOpen: (peerId, limit) => statements.listOpen.all(peerId, limit).map(({ seq }) => seq),
  };

  /**
   * A peer as it was written. Of a damaged one only what a checksum of its own holds is believed: it
   * keeps its id, its secret and so its mail, and the names it is found by, or one that says what
   * happened. One whose id or secret is damaged is nobody, and leaves its name free; mail for it stays
   * until it expires.
   */
  function load(columns: PeerColumns, nowMs: number): PeerRow | undefined {
    const row = toPeerRow(columns);
    if (isIntact(columns)) return row;
    statements.deletePeerAt.run(columns.place);
    if (identityChecksum(row) !== columns.identityChecksum) {
      tell("The id or the secret of a stored peer is damaged; its agent becomes a new peer.");
      return undefined;
    }
    const isNamed = nameChecksum(row) === columns.nameChecksum;
    const rest = isNamed ? blankPeer(row, row, nowMs) : blankPeer(row, recoveredNames(row), nowMs);
    insert(rest);
    tell(`The stored peer ${rest.peerId} is damaged; it is now ${rest.name}, without a profile.`);
    return rest;
  }

  function assertUnique({ peerId, name, secretHash }: PeerRow): void {
    const named = statements.peerByName.one(name);
    if (named !== undefined && named.peerId !== peerId) {
      throw new StoreError("NAME_TAKEN", `Another peer has the name ${name}.`);
    }
    const known = statements.peerBySecret.one(secretHash);
    if (known !== undefined && known.peerId !== peerId) {
      throw new StoreError("SECRET_TAKEN", "Another peer has this secret.");
    }
  }

  function remove(peerId: string): void {
    statements.deletePeer.run(peerId);
    statements.deleteQueue.run(peerId);
  }

  function insert(row: PeerRow): void {
    const sums = {
      identity: identityChecksum(row),
      name: nameChecksum(row),
      all: peerChecksum(row),
    };
    insertPeer(statements, row, sums);
  }
}

export function toPeerRow(columns: PeerColumns): PeerRow {
  const { peerId, name, kind, createTimeMs, lastSeenMs, secretHash, baseName, number } = columns;
  const { epoch, instanceId, conversations, revision, formerNames, mutedUntilMs } = columns;
  const profile = new Uint8Array(columns.profile ?? new ArrayBuffer(0));
  return {
    peerId,
    name,
    kind,
    profile,
    createTimeMs,
    lastSeenMs,
    secretHash,
    baseName,
    number,
    epoch,
    instanceId,
    conversations,
    revision,
    formerNames,
    mutedUntilMs,
  };
}

function isIntact(columns: PeerColumns): boolean {
  return peerChecksum(toPeerRow(columns)) === columns.checksum;
}

type Names = Pick<PeerRow, "kind" | "name" | "baseName" | "number" | "conversations">;

/** Who a peer is and what it is called, without all else that it said of itself. */
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

/** A creation may be repeated as long as nothing has been changed since. */
function assertRepeated(present: PeerColumns, peer: PeerRow): void {
  const repeated =
    present.revision === peer.revision &&
    present.name === peer.name &&
    present.secretHash === peer.secretHash;
  if (!repeated) throw new StoreError("CONFLICT", `The peer ${peer.peerId} exists.`);
}
