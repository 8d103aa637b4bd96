import type { StoredPeer } from "../../broker/store.js";
import { StoreError } from "../../broker/store.js";
import type { Operations, PeerRow } from "./operations.js";
import type { PeerColumns, Statements } from "./statements.js";

type PeerOperations = Pick<Operations, "loadPeers" | "createPeer" | "updatePeer" | "removePeer">;

export function peerOperations(statements: Statements): PeerOperations {
  return {
    loadPeers: () => statements.listPeers.all().map(toRow),

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
      if (present.revision !== peer.revision - 1) {
        throw new StoreError("CONFLICT", `The peer is at revision ${present.revision}.`);
      }
      assertUnique(peer);
      statements.deletePeer.run(peer.peerId);
      insert(peer);
    },

    removePeer(peerId) {
      if (statements.involves.one(peerId) !== undefined) return false;
      statements.deletePeer.run(peerId);
      statements.deleteQueue.run(peerId);
      return true;
    },
  };

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

  function insert(peer: PeerRow): void {
    statements.insertPeer.run(
      peer.peerId,
      peer.name,
      peer.kind,
      peer.profile,
      peer.createTimeMs,
      peer.lastSeenMs,
      peer.secretHash,
      peer.baseName,
      peer.number,
      peer.epoch,
      peer.instanceId,
      JSON.stringify(peer.conversations),
      peer.revision,
    );
  }
}

/** A creation may be repeated as long as nothing has been changed since. */
function assertRepeated(present: PeerColumns, peer: PeerRow): void {
  const repeated =
    present.revision === peer.revision &&
    present.name === peer.name &&
    present.secretHash === peer.secretHash;
  if (!repeated) throw new StoreError("CONFLICT", `The peer ${peer.peerId} exists.`);
}

function toRow(columns: PeerColumns): PeerRow {
  return {
    ...columns,
    profile: new Uint8Array(columns.profile),
    conversations: JSON.parse(columns.conversations) as StoredPeer["conversations"],
  };
}
