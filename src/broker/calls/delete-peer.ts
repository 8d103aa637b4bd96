import { create } from "@bufbuild/protobuf";
import {
  DeletePeerResponseSchema,
  type DeletePeerRequest,
  type DeletePeerResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import type { PeerRecord } from "../peers/directory.js";
import { deletionBatch } from "../limits.js";
import { findPeer, requireUnmuted } from "./moderation.js";
import type { Actor } from "../peers/sessions.js";
import type { Caller } from "../peers/turns.js";
import type { AdvancedReceipt } from "../store/queues.js";

/**
 * Removes a peer, in the turn of the registrations, so that nobody returns to it meanwhile.
 *
 * 1. Nobody finds it any more, and its session ends. One at another broker ends with step 3.
 * 2. What is open in its queue becomes dead letters, of which its senders are told.
 * 3. Its record goes; what it sent and received stays in the history.
 */
export async function deletePeer(
  core: Core,
  caller: Actor,
  request: DeletePeerRequest,
  waiting: Caller,
): Promise<DeletePeerResponse> {
  return core.registrar.inTurn(async () => {
    // The call before it may have deleted the peer.
    if (caller.kind === "session") caller.session.ended.signal.throwIfAborted();
    const peer = findMeant(core, caller, request.peer);
    if (caller.kind === "operator") refuseLive(core, peer, request.evenIfLive);
    // The mute is in the record: without it the same secret would make a peer that may send.
    else requireUnmuted(core, peer);
    let undelivered = 0;
    await core.directory.forget(peer, async () => {
      undelivered = await endMail(core, peer);
    });
    const { name, peerId } = peer.stored;
    core.log.info({ peer: name, peerId, undelivered }, "peer deleted");
    return create(DeletePeerResponseSchema, {
      peer: await core.directory.describeOne(peer),
      undeliveredMessages: BigInt(undelivered),
    });
  }, waiting);
}

/** A session deletes its own peer; the operator whichever it names. */
function findMeant(core: Core, caller: Actor, wanted: string): PeerRecord {
  if (caller.kind === "operator") return findPeer(core, "peer", wanted);
  const own = caller.session.peer;
  if (wanted === "" || core.directory.resolve("peer", wanted) === own) return own;
  throw new BrokerError(
    ErrorReason.NOT_ALLOWED,
    "peer: a session deletes its own peer only: leave peer empty, or use the operator token",
    { metadata: { field: "peer" } },
  );
}

function refuseLive(core: Core, peer: PeerRecord, evenIfLive: boolean): void {
  if (evenIfLive || core.sessions.liveOf(peer) === undefined) return;
  throw new BrokerError(
    ErrorReason.PEER_LIVE,
    `peer: ${peer.stored.name} has a live session: end that one first, or set even_if_live`,
    { metadata: { field: "peer", candidates: peer.stored.name } },
  );
}

/** Ends the session and what is open; resolves to how many messages were never presented. */
async function endMail(core: Core, peer: PeerRecord): Promise<number> {
  const { peerId } = peer.stored;
  core.sessions.closeOf(peer, "the peer was deleted");
  for (let count = 0; ;) {
    const query = { peerId, limit: deletionBatch };
    const open = await translateStoreErrors(() => core.store.queues.listOpen(query));
    if (open.length === 0) return count;
    const ended = await Promise.all(open.map((seq) => endDelivery(core, peerId, seq)));
    count += ended.filter(
      (end) => end?.moved === true && end.receipt.presentedTime === undefined,
    ).length;
  }
}

/** Resolves to undefined where the message is gone. */
async function endDelivery(
  core: Core,
  peerId: string,
  seq: bigint,
): Promise<AdvancedReceipt | undefined> {
  const known = await core.receipts.get(peerId, seq);
  const wasPresented = known?.receipt.presentedTime !== undefined;
  return core.receipts.advanceIfKept(peerId, seq, {
    state: ReceiptState.DEAD_LETTERED,
    reason: wasPresented
      ? "presented and never confirmed; its recipient was deleted"
      : "its recipient was deleted",
  });
}
