import { create } from "@bufbuild/protobuf";
import { createHash, randomBytes } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { PeerRefSchema, type PeerRef, Urgency } from "../../gen/peerline/v1/message_pb.js";
import { PeerKind, ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import type { StoredPeer } from "../../src/broker/store/peers.js";
import type { Draft } from "../../src/broker/store/queues.js";
import { secretOf } from "./bench-peer.js";

/** What the benchmark puts into stores through their contract. */
export function refOf(name: string, number: number): PeerRef {
  const end = String(number).padStart(12, "0");
  return create(PeerRefSchema, { peerId: `00000000-0000-4000-8000-${end}`, name });
}

export function draftOf(of: {
  from: PeerRef;
  to: PeerRef;
  text: string;
  fingerprint: string;
  expiresInMs: number;
}): Draft {
  const messageId = uuidv7({ random: nextRandom() });
  return {
    messageId,
    from: of.from,
    to: [of.to],
    text: of.text,
    data: undefined,
    threadId: messageId,
    inReplyTo: "",
    urgency: Urgency.NORMAL,
    expiresInMs: of.expiresInMs,
    fingerprint: of.fingerprint,
  };
}

const pool = { bytes: Buffer.alloc(0), next: 0 };

/** As clients, and not the store, would ask for each: taken from a pool, it is not what is timed. */
function nextRandom(): Uint8Array {
  if (pool.next >= pool.bytes.length) {
    pool.bytes = randomBytes(64 * 1024);
    pool.next = 0;
  }
  pool.next += 16;
  return pool.bytes.subarray(pool.next - 16, pool.next);
}

export function fingerprintOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function storedPeer({ peerId, name }: PeerRef, nowMs: number): StoredPeer {
  return {
    peerId,
    name,
    kind: PeerKind.PROGRAM,
    profile: create(ProfileSchema, {}),
    createTimeMs: nowMs,
    lastSeenMs: nowMs,
    secretHash: createHash("sha256").update(secretOf(name)).digest("hex"),
    baseName: name,
    number: 1,
    epoch: 0,
    instanceId: "",
    formerNames: [],
    mutedUntilMs: 0,
    conversations: [],
    revision: 1,
  };
}
