import { create } from "@bufbuild/protobuf";
import {
  ListPeersResponseSchema,
  PeerScope,
  type ListPeersRequest,
  type ListPeersResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Core } from "../core.js";
import type { PeerEntry } from "../peers/directory.js";
import { invalidField } from "../fields.js";
import { defaultPeersPageSize, maxPeersPageSize } from "../limits.js";
import { foreignPageToken, formatPageToken, parsePageToken, readPageSize } from "./page-token.js";
import type { Credential } from "../peers/sessions.js";

/** Lists peers: online first, then the last seen, then by id, so that a page has one successor. */
export async function listPeers(
  core: Core,
  caller: Credential,
  request: ListPeersRequest,
): Promise<ListPeersResponse> {
  const pageSize = readPageSize(request.pageSize, defaultPeersPageSize, maxPeersPageSize);
  const inScope = scopeFilter(caller, request.scope);
  const all = [...core.directory.entries()]
    .filter((entry) => inScope(entry) && (entry.online || !request.onlineOnly))
    .toSorted((a, b) => compare(keyOf(a), keyOf(b)));
  const rest = request.pageToken === "" ? all : after(all, request.pageToken);
  const page = rest.slice(0, pageSize);
  const last = page.at(-1);
  return create(ListPeersResponseSchema, {
    peers: await core.directory.describe(page),
    nextPageToken:
      last === undefined || page.length === rest.length ? "" : formatPageToken(keyOf(last)),
    totalSize: all.length,
  });
}

/** Which peers a caller means by a scope. */
export function scopeFilter(caller: Credential, scope: PeerScope): (entry: PeerEntry) => boolean {
  if (scope === PeerScope.UNSPECIFIED || scope === PeerScope.ALL) return () => true;
  if (PeerScope[scope] === undefined) throw invalidField("scope", "scope is none of PeerScope");
  if (caller.kind === "operator") {
    throw invalidField("scope", "scope: the operator has no profile: ask for PEER_SCOPE_ALL");
  }
  const own = caller.session.entry.stored.profile;
  const properties = propertiesOf[scope].filter((property) => own[property] !== "");
  if (properties.length === 0) {
    throw invalidField(
      "scope",
      `scope: your profile has no ${propertiesOf[scope].at(-1)}: set it, or ask for PEER_SCOPE_ALL`,
    );
  }
  return ({ stored: { profile } }) =>
    profile.host === own.host && properties.some((property) => profile[property] === own[property]);
}

/** What peers of a scope share; one of these is enough. */
const propertiesOf = {
  [PeerScope.MACHINE]: ["host"],
  [PeerScope.DIRECTORY]: ["cwd"],
  [PeerScope.REPOSITORY]: ["repository", "root"],
} as const;

type Key = [offline: number, unseenMs: number, peerId: string];

function keyOf(entry: PeerEntry): Key {
  return [entry.online ? 0 : 1, -entry.stored.lastSeenMs, entry.stored.peerId];
}

function compare(a: Key, b: Key): number {
  return a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : Number(a[2] > b[2]));
}

function after(entries: PeerEntry[], pageToken: string): PeerEntry[] {
  const [offline, unseenMs, peerId] = parsePageToken(pageToken);
  const isKey =
    typeof offline === "number" && typeof unseenMs === "number" && typeof peerId === "string";
  if (!isKey) throw foreignPageToken();
  const key: Key = [offline, unseenMs, peerId];
  return entries.filter((entry) => compare(keyOf(entry), key) > 0);
}
