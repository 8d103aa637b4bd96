import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { MachineScope } from "../../../../gen/peerline/v1/machine_pb.js";
import { PeerKind, ProfileSchema } from "../../../../gen/peerline/v1/peer_pb.js";
import type { StoredEnrolment, StoredMachine, StoredPeer } from "../../../broker/store/peers.js";
import type { MachineRecords } from "../../machine-table.js";

/** What stands on a peer's subject. */
export type PeerRecord =
  | { readonly peerId: string; readonly peer: StoredPeer }
  /** It was removed. Consumers are not told of what is deleted, so this stands there for a while. */
  | { readonly peerId: string; readonly peer: undefined };

export function encodePeer(peer: StoredPeer): string {
  const { profile, formerNames, conversations, ...rest } = peer;
  const kept: Form<typeof peerForm> = {
    peerId: rest.peerId,
    name: rest.name,
    kind: rest.kind,
    profile: Buffer.from(toBinary(ProfileSchema, profile)).toString("base64"),
    createTimeMs: rest.createTimeMs,
    lastSeenMs: rest.lastSeenMs,
    secretHash: rest.secretHash,
    baseName: rest.baseName,
    number: rest.number,
    epoch: rest.epoch,
    instanceId: rest.instanceId,
    formerNames: formerNames.map(({ name, untilMs }) => ({ name, untilMs })),
    mutedUntilMs: rest.mutedUntilMs,
    conversations: conversations.map(({ id, boundAtMs }) => ({ id, boundAtMs })),
    revision: rest.revision,
  };
  return JSON.stringify(kept);
}

export function encodeRemoval(peerId: string): string {
  const removal: Form<typeof removalForm> = { peerId, removed: true };
  return JSON.stringify(removal);
}

/** Undefined where it cannot be read. */
export function decodePeer(data: Uint8Array): PeerRecord | undefined {
  const value = parse(data);
  if (fits(removalForm, value)) return { peerId: value.peerId, peer: undefined };
  if (!fits(peerForm, value)) return undefined;
  try {
    const profile = fromBinary(ProfileSchema, Buffer.from(value.profile, "base64"));
    return { peerId: value.peerId, peer: { ...value, profile } };
  } catch {
    return undefined;
  }
}

export function encodeMachines({ machines, enrolments }: MachineRecords): string {
  return JSON.stringify({ machines, enrolments });
}

/** Undefined where it, or any record in it, cannot be read. */
export function decodeMachines(data: Uint8Array): MachineRecords | undefined {
  const value = parse(data);
  return fits(machinesForm, value) ? value : undefined;
}

type Check<T> = (value: unknown) => value is T;
type Form<C> = { -readonly [Key in keyof C]: C[Key] extends Check<infer T> ? T : never };

const text: Check<string> = (value) => typeof value === "string";
const count = ((value) => Number.isSafeInteger(value) && (value as number) >= 0) as Check<number>;
const time = ((value) => Number.isFinite(value)) as Check<number>;
const listOf =
  <T>(check: Check<T>): Check<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.every(check);
const formOf =
  <C extends Record<string, Check<unknown>>>(form: C): Check<Form<C>> =>
  (value): value is Form<C> =>
    fits(form, value);

const peerForm = {
  peerId: text,
  name: text,
  kind: ((value): value is PeerKind => count(value) && value in PeerKind) as Check<PeerKind>,
  profile: text,
  createTimeMs: time,
  lastSeenMs: time,
  secretHash: text,
  baseName: text,
  number: count,
  epoch: count,
  instanceId: text,
  formerNames: listOf(formOf({ name: text, untilMs: time })),
  mutedUntilMs: time,
  conversations: listOf(formOf({ id: text, boundAtMs: time })),
  revision: count,
};

const removalForm = {
  peerId: text,
  removed: ((value): value is true => value === true) as Check<true>,
};

const scope = ((value): value is MachineScope =>
  count(value) && value in MachineScope) as Check<MachineScope>;

const machinesForm = {
  machines: listOf<StoredMachine>(
    formOf({
      machineId: text,
      name: text,
      scope,
      credentialHash: text,
      createTimeMs: time,
      lastUseMs: time,
      lastUseAddress: text,
      revokeTimeMs: time,
      revision: count,
    }),
  ),
  enrolments: listOf<StoredEnrolment>(
    formOf({ tokenHash: text, scope, usesLeft: count, expireTimeMs: time }),
  ),
};

function fits<C extends Record<string, Check<unknown>>>(form: C, value: unknown): value is Form<C> {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(form).every(
    ([key, check]) => Object.hasOwn(value, key) && check((value as Record<string, unknown>)[key]),
  );
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    return undefined;
  }
}
