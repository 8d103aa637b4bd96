import { create } from "@bufbuild/protobuf";
import { createHash } from "node:crypto";
import { PeerKind, ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import type { StoredPeer } from "../../src/broker/store/peers.js";

/** The peers of a database in which bits are flipped. */
export const peersOfTrial: readonly StoredPeer[] = Array.from({ length: 12 }, (_, index) => ({
  peerId: `0190b5a0-0000-7000-8000-${String(index).padStart(12, "0")}`,
  name: `worker-${index}`,
  kind: PeerKind.AGENT,
  profile: create(ProfileSchema, { summary: `does part ${index} of the work`, cwd: "/srv/work" }),
  createTimeMs: Date.UTC(2026, 0, 1),
  lastSeenMs: Date.UTC(2026, 0, 2),
  secretHash: createHash("sha256").update(String(index)).digest("hex"),
  baseName: "worker",
  number: index,
  epoch: 3,
  instanceId: "",
  conversations: [{ id: `conversation-${index}`, boundAtMs: Date.UTC(2026, 0, 2) }],
  formerNames: [],
  mutedUntilMs: 0,
  revision: 1,
}));
