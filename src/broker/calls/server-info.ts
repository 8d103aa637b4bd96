import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  GetServerInfoResponseSchema,
  StoreInfo_Durability,
  type GetServerInfoResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Core } from "../core.js";
import { capabilityNames, type Durability } from "../store/store.js";
import { defaultExpiresInMs, listLimits } from "../limits.js";

/** What this broker is, what it promises and where its bounds are. */
export async function getServerInfo(core: Core): Promise<GetServerInfoResponse> {
  const { store, directory, clock } = core;
  const { writable, problem, bytes, freeBytes, damagedMessages, damages, ...health } =
    await store.health();
  const { servers = [], maxBytes = 0 } = health;
  const peers = [...directory.peers()];
  return create(GetServerInfoResponseSchema, {
    version: core.version,
    brokerId: core.brokerId,
    startTime: timestampFromMs(core.startMs),
    pid: process.pid,
    store: {
      technology: store.info.technology,
      durability: durabilities[store.info.durability],
      writable,
      problem,
      bytes: BigInt(bytes),
      freeBytes: BigInt(freeBytes),
      damagedMessages: BigInt(damagedMessages),
      damages: [...damages],
      servers: servers.map(({ behind, leads, ...server }) => ({
        ...server,
        behind: BigInt(behind),
        leads: [...leads],
      })),
      maxBytes: BigInt(maxBytes),
      capabilities: capabilityNames.map((name) => ({ name, ...store.info.capabilities[name] })),
    },
    dedupeWindow: durationFromMs(store.info.dedupeWindowMs),
    defaultExpiry: durationFromMs(defaultExpiresInMs),
    limits: listLimits(store, core.settings),
    onlinePeers: peers.filter((peer) => peer.online).length,
    knownPeers: peers.length,
    features: [...features],
    brokerTime: timestampFromMs(clock.now()),
  });
}

const durabilities: Record<Durability, StoreInfo_Durability> = {
  memory: StoreInfo_Durability.MEMORY,
  disk: StoreInfo_Durability.DISK,
  "quorum-disk": StoreInfo_Durability.QUORUM_DISK,
  "quorum-memory": StoreInfo_Durability.QUORUM_MEMORY,
};

/**
 * What a broker does that one of another version may not do. A client looks whether a word is there, and
 * never at the version. Words are added, and stay.
 */
const features = [
  "delete-peer",
  "peer-status",
  "get-peer",
  "known-peers",
  "moderation",
  "sender-renamed",
  "machines",
] as const;
