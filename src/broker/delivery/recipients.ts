import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { SendMessageRequest } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { ReceiptState, type MessageRecord } from "../../../gen/peerline/v1/message_pb.js";
import { isIdEnd } from "../../contract/ids.js";
import { meantName } from "../../contract/names.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import type { PeerRecord } from "../peers/directory.js";
import { untilMs } from "../peers/names.js";
import { boundCount, requireField } from "../fields.js";
import { maxAcquaintance, maxPageBytes, maxNamesTold, maxRecipients } from "../limits.js";

/** A recipient as the caller meant it. */
interface Found {
  readonly peer: PeerRecord;
  /** The name that it was found by; undefined where that was an id, or a name of the answered message. */
  readonly name: string | undefined;
}

/** The names and ids that the caller gave, each once. */
export function readRecipients(request: SendMessageRequest): string[] {
  if (request.to.length === 0) requireField("to", "");
  boundCount("to", request.to.length, maxRecipients);
  boundCount("known_peers", Object.keys(request.knownPeers).length, maxRecipients);
  const wanted = request.to.map((text) => text.trim().toLowerCase());
  for (const text of wanted) requireField("to", text);
  return [...new Set(wanted)];
}

/**
 * The peers that the caller means, as they stand now. A name that a peer had in the answered message
 * means that peer; any other is resolved.
 */
export function findRecipients(
  core: Core,
  wanted: readonly string[],
  answered: MessageRecord | undefined,
): PeerRecord[] {
  return [...new Set(resolve(core, wanted, answered).map(({ peer }) => peer))];
}

/**
 * Refuses a name whose owner is not the peer that the caller knows by it. The caller knows a peer
 * because it says so, or because they wrote each other before another took the name. A peer that is
 * renamed meanwhile is checked again.
 */
export async function refuseStrangers(
  core: Core,
  caller: PeerRecord,
  request: SendMessageRequest,
  wanted: readonly string[],
  answered: MessageRecord | undefined,
): Promise<void> {
  for (;;) {
    const found = resolve(core, wanted, answered);
    const doubtful = found.filter((one) => isDoubtful(core, request, one));
    if (doubtful.length === 0) return;
    for (const one of doubtful) await refuseStranger(core, caller, one);
    if (isSame(found, resolve(core, wanted, answered))) return;
  }
}

function resolve(
  core: Core,
  wanted: readonly string[],
  answered: MessageRecord | undefined,
): Found[] {
  const { from, to = [] } = answered?.message ?? {};
  const participants = from === undefined ? to : [from, ...to];
  return wanted.map((text) => {
    const asked = participants.length === 0 ? undefined : meantName(text);
    const known = participants.find(({ name }) => name === text || name === asked);
    if (known !== undefined) {
      return { peer: core.directory.resolveKnown("to", known), name: undefined };
    }
    const peer = core.directory.resolve("to", text);
    const { name } = peer.stored;
    return { peer, name: name !== text && isIdEnd(text) ? undefined : name };
  });
}

function isSame(before: readonly Found[], after: readonly Found[]): boolean {
  return before.every(({ peer }, index) => peer === after[index]?.peer);
}

/**
 * Refuses a name that contradicts `known_peers`. True if only the history can tell whether the caller knows the name.
 */
function isDoubtful(
  core: Core,
  { knownPeers }: SendMessageRequest,
  { peer, name }: Found,
): boolean {
  if (name === undefined) return false;
  const known = Object.hasOwn(knownPeers, name) ? knownPeers[name] : undefined;
  if (known === undefined) return core.directory.names.formerOwners(name).length > 0;
  if (known === peer.stored.peerId) return false;
  throw renamed(name, core.directory.get(known), peer);
}

async function refuseStranger(
  core: Core,
  caller: PeerRecord,
  { peer, name }: Found,
): Promise<void> {
  if (name === undefined || peer === caller) return;
  const former = core.directory.names.formerOwners(name).filter((one) => one !== caller);
  for (const one of former.slice(0, maxNamesTold)) {
    const [last] = await messagesBetween(core, caller, one, 1);
    if (last === undefined) continue;
    if (!(await hasWrittenSince(core, caller, peer, untilMs(one, name)))) {
      throw renamed(name, one, peer);
    }
  }
}

/** The caller has written to the peer since that time: it knows whose the name is. */
async function hasWrittenSince(
  core: Core,
  caller: PeerRecord,
  peer: PeerRecord,
  sinceMs: number,
): Promise<boolean> {
  const records = await messagesBetween(core, caller, peer, maxAcquaintance);
  return records.some(
    ({ message }) =>
      message?.from?.peerId === caller.stored.peerId &&
      message.acceptTime !== undefined &&
      timestampMs(message.acceptTime) >= sinceMs,
  );
}

/** Newest first. */
async function messagesBetween(
  core: Core,
  caller: PeerRecord,
  peer: PeerRecord,
  limit: number,
): Promise<MessageRecord[]> {
  const query = {
    viewer: caller.stored.peerId,
    peer: peer.stored.peerId,
    threadId: "",
    state: ReceiptState.UNSPECIFIED,
    limit,
    maxBytes: maxPageBytes,
    cursor: "",
  };
  return (await translateStoreErrors(() => core.store.history.list(query))).records;
}

/** @param known undefined where the broker does not know it any more. */
function renamed(name: string, known: PeerRecord | undefined, owner: PeerRecord): BrokerError {
  const { peerId } = owner.stored;
  const present = known?.stored.name;
  const fate =
    present === undefined ? "the one you know is gone" : `the one you know is "${present}" now`;
  const fix = present === undefined ? "" : `"${present}", or to `;
  return new BrokerError(
    ErrorReason.PEER_RENAMED,
    `to: "${name}" is another peer now, and ${fate}: send to ${fix}the id ${peerId}, which is the one that has the name`,
    { metadata: { field: "to", candidates: [present ?? "", peerId].join(",") } },
  );
}
