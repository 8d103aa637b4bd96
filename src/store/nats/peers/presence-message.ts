import { Reach } from "../../../../gen/peerline/v1/peer_pb.js";
import type { Presence } from "../../../broker/store/peers.js";
import { maxPresencePartBytes, maxPresenceParts, maxPresenceTextLength } from "../limits.js";

/**
 * What brokers tell each other of sessions. `run` is of one process of a broker; `serial` counts what that
 * process has said of sessions, from 0.
 */
export type PresenceMessage =
  /** It lives. */
  | { readonly kind: "beat"; readonly run: string; readonly serial: number }
  /** It ends in order. */
  | { readonly kind: "end"; readonly run: string }
  /** This of one peer. */
  | ({ readonly kind: "said"; readonly run: string; readonly serial: number } & Said)
  /** Whoever `run` is asks for all that the receiver says. */
  | { readonly kind: "ask"; readonly run: string }
  /** All that it says, with `serial` as the last of it, in `parts` messages. */
  | {
      readonly kind: "all";
      readonly run: string;
      readonly serial: number;
      readonly part: number;
      readonly parts: number;
      readonly said: readonly Said[];
    };

export interface Said {
  readonly peerId: string;
  /** null: it has no session of it any more. */
  readonly presence: Presence | null;
}

export function encodePresence(message: PresenceMessage): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/** All that a process says, in messages that every server takes. */
export function encodeAll(
  run: string,
  serial: number,
  presences: ReadonlyMap<string, Presence>,
): Uint8Array[] {
  const parts: Said[][] = [[]];
  let bytes = 0;
  for (const [peerId, presence] of presences) {
    const said = { peerId, presence };
    const saidBytes = Buffer.byteLength(JSON.stringify(said));
    if (bytes > 0 && bytes + saidBytes > maxPresencePartBytes) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(said);
    bytes += saidBytes;
  }
  return parts.map((said, part) =>
    encodePresence({ kind: "all", run, serial, part, parts: parts.length, said }),
  );
}

/** Undefined where it cannot be read. */
export function decodePresence(data: Uint8Array): PresenceMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
  if (!isObject(value) || !isRun(value["run"])) return undefined;
  const { kind, run, serial, part, parts, said } = value;
  if (kind === "ask" || kind === "end") return { kind, run };
  if (!isCount(serial)) return undefined;
  if (kind === "beat") return { kind, run, serial };
  if (kind === "said") {
    const one = readSaid(value);
    return one === undefined ? undefined : { kind, run, serial, ...one };
  }
  if (kind !== "all" || !isCount(part) || !isCount(parts) || !Array.isArray(said)) return undefined;
  if (part >= parts || parts > maxPresenceParts) return undefined;
  const list = said.map(readSaid).filter((one) => one !== undefined);
  if (list.length !== said.length) return undefined;
  return { kind, run, serial, part, parts, said: list };
}

function readSaid(value: unknown): Said | undefined {
  if (!isObject(value) || !isText(value["peerId"])) return undefined;
  const { peerId, presence } = value;
  if (presence === null) return { peerId, presence };
  if (!isObject(presence)) return undefined;
  const { brokerId, epoch, instanceId, conversationId, isSure, isLive, online, reach } = presence;
  const isRead =
    isText(brokerId) &&
    isCount(epoch) &&
    isText(instanceId) &&
    isText(conversationId) &&
    typeof isSure === "boolean" &&
    typeof isLive === "boolean" &&
    typeof online === "boolean" &&
    isCount(reach) &&
    reach in Reach;
  if (!isRead) return undefined;
  return {
    peerId,
    presence: { brokerId, epoch, instanceId, conversationId, isSure, isLive, online, reach },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= maxPresenceTextLength;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A UUID, so that it is one token of a subject. */
function isRun(value: unknown): value is string {
  return typeof value === "string" && /^[\da-f-]{36}$/.test(value);
}
