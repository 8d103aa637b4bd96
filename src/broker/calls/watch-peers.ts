import { create } from "@bufbuild/protobuf";
import {
  WatchPeersResponseSchema,
  type WatchPeersRequest,
  type WatchPeersResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { AbortScope } from "../../abort-scope.js";
import { Pulse } from "../../pulse.js";
import type { Core } from "../core.js";
import type { PeerRecord } from "../peers/directory.js";
import { scopeFilter } from "./list-peers.js";
import type { Credential } from "../peers/sessions.js";

/**
 * Streams peers: a snapshot, `synced`, then changes. What waits for a slow reader is a set of ids, so
 * that it gets the newest state of each peer and holds no more memory than there are peers.
 */
export async function* watchPeers(
  core: Core,
  caller: Credential,
  request: WatchPeersRequest,
  callSignal: AbortSignal,
): AsyncGenerator<WatchPeersResponse> {
  const inScope = scopeFilter(caller, request.scope);
  const { directory } = core;
  const ends = caller.kind === "session" ? [caller.session.ended.signal] : [];
  using watch = new AbortScope([callSignal, core.stopping, ...ends]);
  const { signal } = watch;
  const shown = new Set<string>();
  const changed = new Set<string>();
  const changes = new Pulse();
  const stopListening = directory.onChange((peerId) => {
    changed.add(peerId);
    changes.beat();
  });
  try {
    // As they stand when their turn comes: no copy of all of them is kept for a reader that is slow.
    for (const peer of directory.peers()) {
      if (inScope(peer)) yield* show(peer);
    }
    yield* drain();
    yield create(WatchPeersResponseSchema, { event: { case: "synced", value: {} } });
    while (!signal.aborted) {
      if (changed.size === 0) await changes.next(signal).catch(() => {});
      yield* drain();
    }
    if (!callSignal.aborted) signal.throwIfAborted();
  } finally {
    stopListening();
  }

  async function* show(peer: PeerRecord): AsyncGenerator<WatchPeersResponse> {
    const { peerId } = peer.stored;
    changed.delete(peerId);
    const value = await directory.describeOne(peer);
    shown.add(peerId);
    yield create(WatchPeersResponseSchema, { event: { case: "peer", value } });
  }

  async function* drain(): AsyncGenerator<WatchPeersResponse> {
    for (const peerId of changed) {
      changed.delete(peerId);
      const peer = directory.get(peerId);
      if (peer !== undefined && inScope(peer)) {
        yield* show(peer);
      } else if (shown.delete(peerId)) {
        yield create(WatchPeersResponseSchema, { event: { case: "removedPeerId", value: peerId } });
      }
    }
  }
}
