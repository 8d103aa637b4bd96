import { maxPeersPageSize } from "../../contract/limits.js";
import { isOriginName } from "../../contract/repository.js";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  GetPeerResponseSchema,
  ListPeersResponseSchema,
  PeerScope,
  type GetPeerRequest,
  type GetPeerResponse,
  type ListPeersRequest,
  type ListPeersResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { PeerSchema, type Peer, type Profile } from "../../../gen/peerline/v1/peer_pb.js";
import type { Core } from "../core.js";
import type { PeerRecord } from "../peers/directory.js";
import { invalidField } from "../fields.js";
import { defaultPeersPageSize, maxPageBytes } from "../limits.js";
import { findPeer } from "./moderation.js";
import { foreignPageToken, formatPageToken, parsePageToken, readPageSize } from "./page-token.js";
import { viewerOf, type Credential } from "../peers/sessions.js";

/** One peer. A session that names none means its own. */
export async function getPeer(
  core: Core,
  caller: Credential,
  request: GetPeerRequest,
): Promise<GetPeerResponse> {
  const isOwn = caller.kind === "session" && request.peer === "";
  const peer = isOwn ? caller.session.peer : findPeer(core, "peer", request.peer);
  return create(GetPeerResponseSchema, { peer: await core.directory.describeOne(peer) });
}

/** Lists peers: online first, then the last seen, then by id, so that a page has one successor. */
export async function listPeers(
  core: Core,
  caller: Credential,
  request: ListPeersRequest,
): Promise<ListPeersResponse> {
  const pageSize = readPageSize(request.pageSize, defaultPeersPageSize, maxPeersPageSize);
  const inScope = scopeFilter(caller, request.scope);
  const all = [...core.directory.peers()]
    .filter((peer) => inScope(peer) && (peer.online || !request.onlineOnly))
    .toSorted((a, b) => compare(keyOf(a), keyOf(b)));
  const same = ["peers", viewerOf(caller), request.scope, request.onlineOnly];
  const position = parsePageToken(same, request.pageToken);
  const rest = position === undefined ? all : after(all, position);
  const page = rest.slice(0, pageSize);
  const peers = fitting(await core.directory.describe(page));
  const last = page[peers.length - 1];
  return create(ListPeersResponseSchema, {
    peers,
    nextPageToken:
      last === undefined || peers.length === rest.length ? "" : formatPageToken(same, keyOf(last)),
    totalSize: all.length,
  });
}

/** As many as one answer may hold, and at least one. */
function fitting(peers: Peer[]): Peer[] {
  let bytes = 0;
  const end = peers.findIndex((peer, index) => {
    bytes += toBinary(PeerSchema, peer).byteLength;
    return index > 0 && bytes > maxPageBytes;
  });
  return end < 0 ? peers : peers.slice(0, end);
}

/** Which peers a caller means by a scope. */
export function scopeFilter(caller: Credential, scope: PeerScope): (peer: PeerRecord) => boolean {
  if (scope === PeerScope.UNSPECIFIED || scope === PeerScope.ALL) return () => true;
  if (PeerScope[scope] === undefined) throw invalidField("scope", "scope is none of PeerScope");
  if (caller.kind !== "session") {
    throw invalidField("scope", "scope: the operator has no profile: ask for PEER_SCOPE_ALL");
  }
  const own = caller.session.peer.stored.profile;
  const isClone = ({ repository }: Profile): boolean =>
    scope === PeerScope.REPOSITORY && isOriginName(repository) && repository === own.repository;
  const properties = propertiesOf[scope].filter((property) => own[property] !== "");
  if (properties.length === 0) {
    throw invalidField(
      "scope",
      `scope: your profile has no ${propertiesOf[scope].at(-1)}: set it, or ask for PEER_SCOPE_ALL`,
    );
  }
  return ({ stored: { profile } }) =>
    isClone(profile) ||
    (profile.host === own.host &&
      properties.some((property) => profile[property] === own[property]));
}

/** What the peers of a scope have in common on one host: one of these is enough. */
const propertiesOf = {
  [PeerScope.MACHINE]: ["host"],
  [PeerScope.DIRECTORY]: ["cwd"],
  [PeerScope.REPOSITORY]: ["repository", "root"],
} as const;

type Key = [offline: number, unseenMs: number, peerId: string];

function keyOf(peer: PeerRecord): Key {
  return [peer.online ? 0 : 1, -peer.stored.lastSeenMs, peer.stored.peerId];
}

function compare(a: Key, b: Key): number {
  return a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : Number(a[2] > b[2]));
}

function after(peers: PeerRecord[], [offline, unseenMs, peerId]: readonly unknown[]): PeerRecord[] {
  const isKey =
    typeof offline === "number" && typeof unseenMs === "number" && typeof peerId === "string";
  if (!isKey) throw foreignPageToken();
  const key: Key = [offline, unseenMs, peerId];
  return peers.filter((peer) => compare(keyOf(peer), key) > 0);
}
