import { setImmediate } from "node:timers/promises";
import type { RegisterRequest } from "../../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, type Profile } from "../../../gen/peerline/v1/peer_pb.js";
import {
  boundBytes,
  boundCount,
  invalidField,
  matchField,
  requireField,
  requireName,
} from "../fields.js";
import {
  maxBaseNameBytes,
  maxConversationIdBytes,
  maxInstanceIdBytes,
  maxKeyring,
  maxSecretBytes,
  minSecretBytes,
  secretsPerSlice,
} from "../limits.js";
import { automaticName } from "../peers/names.js";
import { readProfile } from "../peers/profile.js";
import { sha256 } from "../peers/sessions.js";

const secretPattern = new RegExp(`^[A-Za-z0-9_-]{${minSecretBytes},${maxSecretBytes}}$`);
const secretForm = `${minSecretBytes} to ${maxSecretBytes} of A-Z a-z 0-9 _ -`;

/** A checked RegisterRequest. Secrets are gone: only their hashes go on. */
export interface Registration {
  readonly secretHash: string;
  readonly keyringHashes: readonly string[];
  readonly instanceId: string;
  readonly conversationId: string;
  /** Empty when any will do. */
  readonly name: string;
  readonly baseName: string;
  /** Whether it names anything by which a peer of the same project can be found. */
  readonly hasProject: boolean;
  readonly kind: PeerKind;
  readonly profile: Profile;
}

/** `nameOf` gives the name of the peer that has a secret. */
export async function readRegistration(
  request: RegisterRequest,
  nameOf: (secretHash: string) => string | undefined,
): Promise<Registration> {
  const { secret, keyring, instanceId, conversationId, baseName } = request;
  boundCount("keyring", keyring.length, maxKeyring);
  if (keyring.length === 0) requireField("secret", secret);
  if (secret !== "") matchField("secret", secret, secretPattern, secretForm);
  for (const other of keyring)
    matchField("keyring", other, secretPattern, `secrets of ${secretForm}`);
  boundBytes("instance_id", instanceId, maxInstanceIdBytes);
  matchField("instance_id", instanceId, /^[A-Za-z0-9._:-]*$/, "of A-Z a-z 0-9 . _ : -");
  if (secret === "") requireField("instance_id", instanceId);
  boundBytes("conversation_id", conversationId, maxConversationIdBytes);
  matchField("conversation_id", conversationId, /^[A-Za-z0-9._:/-]*$/, "of A-Z a-z 0-9 . _ : / -");
  const secretHash = secret === "" ? "" : hashOf(secret);
  const keyringHashes: string[] = [];
  for (const other of keyring) {
    keyringHashes.push(hashOf(other));
    // Other calls go on beside a long keyring.
    if (keyringHashes.length % secretsPerSlice === 0) await setImmediate();
  }
  // A peer keeps a name that is reserved only now.
  const isKept = [secretHash, ...keyringHashes].some((hash) => nameOf(hash) === request.name);
  const name = request.name === "" || isKept ? request.name : requireName(request.name);
  boundBytes("base_name", baseName, maxBaseNameBytes);
  if (PeerKind[request.kind] === undefined) throw invalidField("kind", "kind is none of PeerKind");
  const kind = request.kind === PeerKind.UNSPECIFIED ? PeerKind.PROGRAM : request.kind;
  return {
    secretHash,
    keyringHashes,
    instanceId: instanceId === "" ? secretHash : instanceId,
    conversationId,
    name,
    baseName: automaticName(name || baseName, kind),
    hasProject: [name, baseName, request.profile?.root ?? ""].some((text) => text !== ""),
    kind,
    profile: readProfile(request.profile),
  };
}

function hashOf(secret: string): string {
  return sha256(secret).toString("hex");
}
