import { maxMuteMs } from "../../contract/limits.js";
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  MutePeerResponseSchema,
  PurgeMessagesResponseSchema,
  UnmutePeerResponseSchema,
  type MutePeerRequest,
  type MutePeerResponse,
  type PurgeMessagesRequest,
  type PurgeMessagesResponse,
  type UnmutePeerRequest,
  type UnmutePeerResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import { refTo, type PeerRecord } from "../peers/directory.js";
import { invalidField, requireField } from "../fields.js";
import type { HistoryStore } from "../store/history.js";
import type { AdvancedReceipt } from "../store/queues.js";

/** What the sender is told of messages that the operator removed. */
export const purgedReason = "the operator removed it";

/** What an operator can do about a sender. */

/** Refuses what a muted peer may not do: send, and delete itself. */
export function requireUnmuted(core: Core, { stored }: PeerRecord): void {
  const { mutedUntilMs, kind, name } = stored;
  const restMs = mutedUntilMs - core.clock.now();
  if (restMs <= 0) return;
  const isTimed = mutedUntilMs < Number.MAX_SAFE_INTEGER;
  const until = isTimed
    ? `until ${new Date(mutedUntilMs).toISOString()}`
    : `until further notice: ${kind === PeerKind.PERSON ? `\`peerline unmute ${name}\` lifts it` : "ask your user"}`;
  throw new BrokerError(
    ErrorReason.MUTED,
    `you may read, and neither send nor delete your peer: the operator muted you ${until}`,
    isTimed ? { retryAfterMs: restMs } : {},
  );
}

export async function mutePeer(core: Core, request: MutePeerRequest): Promise<MutePeerResponse> {
  const peer = findPeer(core, "peer", request.peer);
  const forMs = request.duration === undefined ? undefined : durationMs(request.duration);
  if (forMs !== undefined && (forMs < 1000 || forMs > maxMuteMs)) {
    throw invalidField("duration", "duration must be 1 second to 365 days, or absent");
  }
  const mutedUntilMs = forMs === undefined ? Number.MAX_SAFE_INTEGER : core.clock.now() + forMs;
  await core.directory.update(peer, { mutedUntilMs });
  core.log.info({ peer: peer.stored.name, forMs }, "peer muted");
  return create(MutePeerResponseSchema, { peer: await core.directory.describeOne(peer) });
}

export async function unmutePeer(
  core: Core,
  request: UnmutePeerRequest,
): Promise<UnmutePeerResponse> {
  const peer = findPeer(core, "peer", request.peer);
  await core.directory.update(peer, { mutedUntilMs: 0 });
  core.log.info({ peer: peer.stored.name }, "peer unmuted");
  return create(UnmutePeerResponseSchema, { peer: await core.directory.describeOne(peer) });
}

/** Removes what a peer sent; leases on it end. */
export async function purgeMessages(
  core: Core,
  { from, all }: PurgeMessagesRequest,
): Promise<PurgeMessagesResponse> {
  const peer = findPeer(core, "from", from);
  const { peerId } = peer.stored;
  let removedCount = 0;
  let after: number | undefined = 0;
  while (after !== undefined) {
    const query = { from: peerId, waiting: !all, after, reason: purgedReason };
    const slice: Awaited<ReturnType<HistoryStore["purge"]>> = await translateStoreErrors(() =>
      core.store.history.purge(query),
    );
    for (const removed of slice.removed) endDelivery(core, removed);
    removedCount += slice.removed.length;
    after = slice.next;
  }
  core.log.info({ peer: peer.stored.name, removedCount }, "messages purged");
  return create(PurgeMessagesResponseSchema, {
    from: refTo(peer),
    removedDeliveries: BigInt(removedCount),
  });
}

/** Ends the lease of a removed delivery. If nobody had read it, its sender is told that it is a dead letter. */
function endDelivery(core: Core, { from, messageId, receipt }: AdvancedReceipt): void {
  const { recipient, seq, state } = receipt;
  if (recipient !== undefined) core.subscriptions.settle(recipient.peerId, seq);
  if (state > ReceiptState.LEASED) return;
  const ended = { ...receipt, state: ReceiptState.DEAD_LETTERED, reason: purgedReason };
  core.receipts.ended({ from, messageId, receipt: ended });
}

/** The peer that a field has to name. */
export function findPeer(core: Core, field: string, wanted: string): PeerRecord {
  requireField(field, wanted.trim());
  return core.directory.resolve(field, wanted);
}
