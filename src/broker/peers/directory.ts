import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { PeerRef } from "../../../gen/peerline/v1/message_pb.js";
import { PeerRefSchema } from "../../../gen/peerline/v1/message_pb.js";
import { PeerSchema, Reach, type Peer } from "../../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../../clock.js";
import type { Connection } from "../../rpc/server.js";
import { isIdEnd } from "../../contract/ids.js";
import { meansEverybody, meantName, readPlace, seeNames } from "../../contract/names.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import { maxConflicts, maxFormerNames, maxNamesTold } from "../limits.js";
import { numberedName, PeerNames } from "./names.js";
import { StoreError, type Store } from "../store/store.js";
import type { StoredPeer } from "../store/peers.js";

/** One known peer. `stored` is what the store has; the rest is what others are shown of it. */
export interface PeerRecord {
  stored: StoredPeer;
  /** The instance that had a session of it last, here or at another broker. */
  lastInstanceId: string;
  /** The connections over which its sessions came here. */
  readonly connections: WeakSet<Connection>;
  online: boolean;
  /** How its session says that it is reached while it is online. */
  reach: Reach;
}

/** Hears of each record, and of what it was before; `undefined` where it is new here. */
type StoredListener = (peer: PeerRecord, before: StoredPeer | undefined) => void;

/** What may change of a stored peer. */
export type PeerChange = Partial<
  Omit<StoredPeer, "peerId" | "revision" | "secretHash" | "createTimeMs">
>;

/** What of a change depends on the record that it meets is computed for that one. */
type Change<Fields> = Fields | ((stored: StoredPeer) => Fields);

/**
 * Every peer, in memory, over the store's records. A change is durable before it is seen. Changes of
 * one peer are made one after the other. Where another broker changed the record first, a change is made again to
 * what that one wrote.
 */
export class Directory {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #byId = new Map<string, PeerRecord>();
  readonly names = new PeerNames();
  readonly #bySecretHash = new Map<string, PeerRecord>();
  readonly #updates = new Map<string, Promise<unknown>>();
  /** Peers that are about to be removed: nobody finds them. */
  readonly #leaving = new Map<string, PeerRecord>();
  readonly #listeners = new Set<(peerId: string) => void>();
  readonly #storedListeners = new Set<StoredListener>();
  readonly #removedListeners = new Set<(peer: PeerRecord) => void>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The store has this record: this broker wrote it, or another. */
  heard(stored: StoredPeer): void {
    const peer = this.#byId.get(stored.peerId) ?? this.#leaving.get(stored.peerId);
    if (peer === undefined) this.#add(stored);
    else if (stored.revision > peer.stored.revision) this.#replace(peer, stored);
  }

  /** The store has no such record any more. */
  heardRemoved(peerId: string): void {
    const peer = this.#byId.get(peerId);
    if (peer === undefined) return;
    this.#unindex(peer);
    this.#tellRemoved(peer);
  }

  /** Other brokers may change the records, and have sessions. */
  get isShared(): boolean {
    return this.#store.info.capabilities.several_brokers.has;
  }

  get size(): number {
    return this.#byId.size;
  }

  peers(): Iterable<PeerRecord> {
    return this.#byId.values();
  }

  get(peerId: string): PeerRecord | undefined {
    return this.#byId.get(peerId);
  }

  getBySecretHash(secretHash: string): PeerRecord | undefined {
    return this.#bySecretHash.get(secretHash);
  }

  /** Calls the listener with each peer whose record is new or changed, whoever wrote it. */
  onStored(listener: StoredListener): void {
    this.#storedListeners.add(listener);
  }

  /** Calls the listener with each peer that is no more, whoever removed it. */
  onRemoved(listener: (peer: PeerRecord) => void): void {
    this.#removedListeners.add(listener);
  }

  /**
   * Every peer that `wanted` fits. A name or whole id fits one peer; `name@host` and the end of an id may fit several.
   */
  find(wanted: string): PeerRecord[] {
    const text = wanted.trim().toLowerCase();
    const place = readPlace(text);
    if (place !== undefined) return this.#atHost(place);
    // Else in any form in which somebody may write a name.
    const named = this.names.get(text) ?? this.names.get(meantName(text) ?? "");
    return named === undefined ? this.#byIdEnd(text) : [named];
  }

  /** The peer that a message names, whatever it is called now. */
  resolveKnown(field: string, { peerId, name }: PeerRef): PeerRecord {
    const peer = this.#byId.get(peerId);
    if (peer !== undefined) return peer;
    throw new BrokerError(
      ErrorReason.PEER_NOT_FOUND,
      `${field}: the peer that was "${name}" in that message is gone: leave out in_reply_to to send to another`,
      { metadata: { field, candidates: "" } },
    );
  }

  /** Finds the peer that a caller means: by a name, `name@host`, an id, or the end of one. */
  resolve(field: string, wanted: string): PeerRecord {
    const text = wanted.trim();
    const found = this.find(text);
    if (found.length === 1 && found[0] !== undefined) return found[0];
    if (found.length > 1) {
      const names = found.slice(0, maxNamesTold).map((peer) => peer.stored.name);
      throw new BrokerError(
        ErrorReason.PEER_AMBIGUOUS,
        `${field}: "${shown(text)}" fits several peers (${names.join(", ")}): give a name or the whole id`,
        { metadata: { field, candidates: names.join(",") } },
      );
    }
    const place = readPlace(text);
    const former = this.names
      .formerOwners(place?.name ?? meantName(text) ?? "")
      .find((peer) => place === undefined || isOn(peer, place.host));
    if (former !== undefined) throw renamed(field, shown(text), former);
    const near = meansEverybody(text) ? [] : this.#near(place?.name ?? text);
    let fix: string = seeNames;
    if (meansEverybody(text)) fix = "name each recipient";
    else if (near.length > 0) fix = `did you mean ${near.join(", ")}?`;
    throw new BrokerError(
      ErrorReason.PEER_NOT_FOUND,
      `${field}: no peer is named "${shown(text)}": ${fix}`,
      { metadata: { field, candidates: near.join(",") } },
    );
  }

  async create(stored: StoredPeer): Promise<PeerRecord> {
    await translateStoreErrors(() => this.#store.peers.create(stored));
    // The store may have told of it by now.
    return this.#byId.get(stored.peerId) ?? this.#add(stored);
  }

  /** Changes a peer. NAME_TAKEN when another peer has the new name. */
  async update(peer: PeerRecord, change: PeerChange): Promise<void> {
    await this.updateIf(peer, () => true, change);
  }

  /**
   * Changes a peer, if it is still as wanted when its turn comes, and in each record that another broker has written
   * meanwhile. False where it is not.
   */
  async updateIf(
    peer: PeerRecord,
    isWanted: (stored: StoredPeer) => boolean,
    change: Change<PeerChange>,
  ): Promise<boolean> {
    return this.#inOrder(peer.stored.peerId, async () => {
      for (let tries = 1; ; tries++) {
        if (!isWanted(peer.stored)) return false;
        const error = await this.#tryUpdate(
          peer,
          isFunction(change) ? change(peer.stored) : change,
        );
        if (error === undefined) return true;
        // By now the store has told what the record has become.
        if (error.code === "NOT_FOUND" && !isWanted(peer.stored)) return false;
        if (error.code !== "CONFLICT" || tries >= maxConflicts) throw this.#explain(peer, error);
      }
    });
  }

  /** Resolves to the store's error where that is of several brokers. */
  async #tryUpdate(peer: PeerRecord, change: PeerChange): Promise<StoreError | undefined> {
    const current = peer.stored;
    const other = change.name === undefined ? undefined : this.names.get(change.name);
    if (other !== undefined && other !== peer) throw this.#nameTaken(other.stored.name);
    const next: StoredPeer = {
      ...current,
      ...change,
      formerNames: formerNamesAfter(current, change),
      revision: current.revision + 1,
    };
    try {
      await translateStoreErrors(() => this.#store.peers.update(next));
    } catch (error) {
      if (error instanceof StoreError) return error;
      const isTaken = error instanceof BrokerError && error.reason === ErrorReason.NAME_TAKEN;
      throw isTaken ? this.#nameTaken(next.name) : error;
    }
    // The store may have told of it by now, and of what came after.
    if (peer.stored.revision < next.revision) this.#replace(peer, next);
    return undefined;
  }

  #explain(peer: PeerRecord, error: StoreError): Error {
    const { name } = peer.stored;
    if (error.code === "CONFLICT") {
      return new BrokerError(
        ErrorReason.STORE_UNAVAILABLE,
        `other brokers change the record of ${name} all the time: try again`,
        { cause: error },
      );
    }
    if (error.code !== "NOT_FOUND") return error;
    return new BrokerError(
      ErrorReason.PEER_NOT_FOUND,
      `the peer ${name} was removed meanwhile: ${seeNames}`,
      { metadata: { candidates: "" }, cause: error },
    );
  }

  /**
   * Changes what a peer says of itself. If the store has no room, the change is in memory alone, so
   * that an agent can come back for its mail while the disk is full. Several brokers cannot agree on a session that
   * none of them can write: there another epoch is refused.
   */
  async updateEvenIfFull(
    peer: PeerRecord,
    isWanted: (stored: StoredPeer) => boolean,
    change: Change<Omit<PeerChange, "name">>,
  ): Promise<boolean> {
    try {
      return await this.updateIf(peer, isWanted, change);
    } catch (error) {
      const isFull = error instanceof BrokerError && error.reason === ErrorReason.STORE_FULL;
      const fields = isFunction(change) ? change(peer.stored) : change;
      if (!isFull || (this.isShared && fields.epoch !== undefined)) throw error;
      this.#replace(peer, { ...peer.stored, ...fields });
      return true;
    }
  }

  /** Whether the operator forbids it to send. */
  isMuted({ stored }: PeerRecord): boolean {
    return stored.mutedUntilMs > this.#clock.now();
  }

  /** Removes a peer that nobody ever wrote to or heard of. False where it has mail or history, or is muted. */
  async removeUnused(peer: PeerRecord): Promise<boolean> {
    const { peerId } = peer.stored;
    return this.#inOrder(peerId, async () => {
      // The mute is in the record: without it the same secret would make a peer that may send.
      if (this.isMuted(peer)) return false;
      return this.#remove(peer, () => this.#store.peers.remove(peerId));
    });
  }

  /**
   * Removes a peer whatever history it has, once `endMail` has ended what is open in its queue. That is done again
   * where another broker accepts mail meanwhile. Where it fails the peer stays.
   */
  async forget(peer: PeerRecord, endMail: () => Promise<void>): Promise<void> {
    const { peerId } = peer.stored;
    await this.#inOrder(peerId, async () =>
      this.#remove(peer, async () => {
        for (let tries = 1; tries <= maxConflicts; tries++) {
          await endMail();
          if (await this.#store.peers.forget(peerId)) return true;
        }
        throw new Error("a peer whose mail was ended has open mail");
      }),
    );
  }

  /** What others are shown from now on. */
  setPresence(peer: PeerRecord, { online = peer.online, reach = peer.reach }): void {
    if (peer.online === online && peer.reach === reach) return;
    peer.online = online;
    peer.reach = reach;
    this.#changed(peer.stored.peerId);
  }

  /** Calls the listener with the id of each peer that is added, changed or removed. */
  onChange(listener: (peerId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A peer as callers see it. */
  async describeOne(peer: PeerRecord): Promise<Peer> {
    const { peerId } = peer.stored;
    const waiting = await translateStoreErrors(() => this.#store.queues.countWaiting([peerId]));
    return describePeer(peer, waiting.get(peerId) ?? 0, this.#clock.now());
  }

  /** Peers as callers see them, in the order given. */
  async describe(peers: readonly PeerRecord[]): Promise<Peer[]> {
    const ids = peers.map((peer) => peer.stored.peerId);
    const waiting = await translateStoreErrors(() => this.#store.queues.countWaiting(ids));
    const nowMs = this.#clock.now();
    return peers.map((peer) => describePeer(peer, waiting.get(peer.stored.peerId) ?? 0, nowMs));
  }

  /** Where the store does not remove it, it stays. */
  async #remove(peer: PeerRecord, removeStored: () => Promise<boolean>): Promise<boolean> {
    const { peerId } = peer.stored;
    // Another broker has removed it.
    if (this.#byId.get(peerId) !== peer) return false;
    // Nobody finds it from here on; what was sent to it before reaches the store first.
    this.#unindex(peer);
    this.#leaving.set(peerId, peer);
    const before = peer.stored;
    let isRemoved = false;
    try {
      isRemoved = await translateStoreErrors(removeStored);
    } finally {
      this.#leaving.delete(peerId);
      if (isRemoved) this.#tellRemoved(peer);
      else this.#index(peer);
      if (!isRemoved && peer.stored !== before) this.#tellStored(peer, before);
    }
    return isRemoved;
  }

  /**
   * The peers that `name@host` fits:
   *
   * 1. the peer of that name, if it is on that host;
   * 2. else those on that host that asked for the name, and got a number because it was taken.
   *
   * A host is meant by its whole name, else by the first part of it.
   */
  #atHost({ name, host }: { name: string; host: string }): PeerRecord[] {
    const named = this.names.get(name);
    const asking = this.#askingFor(name);
    for (const isThere of [isOn, isOnShort]) {
      if (named !== undefined && isThere(named, host)) return [named];
      const found = asking.filter((peer) => isThere(peer, host));
      if (found.length > 0) return found;
    }
    return [];
  }

  /** The peers that have a number behind this name because it was another's. */
  #askingFor(name: string): PeerRecord[] {
    if (name === "") return [];
    return [...this.#byId.values()].filter(
      ({ stored }) =>
        stored.number > 1 &&
        stored.baseName === name &&
        stored.name === numberedName(name, stored.number),
    );
  }

  /** Names that somebody may have meant: first those of the same name on other hosts. */
  #near(wanted: string): string[] {
    const same = this.#askingFor(wanted).map(({ stored }) => stored.name);
    return [...new Set([...this.names.near(wanted), ...same])].slice(0, maxNamesTold);
  }

  #byIdEnd(text: string): PeerRecord[] {
    if (!isIdEnd(text)) return [];
    return [...this.#byId.values()].filter((peer) => peer.stored.peerId.endsWith(text));
  }

  #nameTaken(name: string): BrokerError {
    const free = this.names.free(name).name;
    return new BrokerError(
      ErrorReason.NAME_TAKEN,
      `name: "${name}" belongs to another peer: take another, for example "${free}"`,
      { metadata: { field: "name", candidates: free } },
    );
  }

  #add(stored: StoredPeer): PeerRecord {
    const peer = newRecord(stored);
    this.#index(peer);
    this.#tellStored(peer, undefined);
    return peer;
  }

  #replace(peer: PeerRecord, next: StoredPeer): void {
    const before = peer.stored;
    if (this.#leaving.get(next.peerId) === peer) peer.stored = next;
    if (this.#byId.get(next.peerId) !== peer) return;
    this.names.remove(peer);
    peer.stored = next;
    this.names.add(peer);
    this.#tellStored(peer, before);
  }

  #tellStored(peer: PeerRecord, before: StoredPeer | undefined): void {
    for (const listener of this.#storedListeners) listener(peer, before);
    this.#changed(peer.stored.peerId);
  }

  #tellRemoved(peer: PeerRecord): void {
    for (const listener of this.#removedListeners) listener(peer);
    this.#changed(peer.stored.peerId);
  }

  #unindex(peer: PeerRecord): void {
    const { stored } = peer;
    this.#byId.delete(stored.peerId);
    this.names.remove(peer);
    // A newer peer of the secret may have been heard of before.
    if (this.#bySecretHash.get(stored.secretHash) === peer)
      this.#bySecretHash.delete(stored.secretHash);
  }

  #index(peer: PeerRecord): void {
    this.#byId.set(peer.stored.peerId, peer);
    this.names.add(peer);
    this.#bySecretHash.set(peer.stored.secretHash, peer);
  }

  #changed(peerId: string): void {
    for (const listener of this.#listeners) listener(peerId);
  }

  async #inOrder<T>(peerId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#updates.get(peerId) ?? Promise.resolve();
    const result = before.then(work, work);
    const settled = result.catch(() => undefined);
    this.#updates.set(peerId, settled);
    try {
      return await result;
    } finally {
      if (this.#updates.get(peerId) === settled) this.#updates.delete(peerId);
    }
  }
}

/** The former names of a peer once a change is made. A name that it gets again is no former one. */
function formerNamesAfter(current: StoredPeer, change: PeerChange): StoredPeer["formerNames"] {
  const { name = current.name, lastSeenMs: untilMs = current.lastSeenMs } = change;
  if (name === current.name) return current.formerNames;
  const others = current.formerNames.filter(
    (former) => former.name !== name && former.name !== current.name,
  );
  return [...others, { name: current.name, untilMs }].slice(-maxFormerNames);
}

function isFunction<Fields extends object>(
  change: Change<Fields>,
): change is (stored: StoredPeer) => Fields {
  return typeof change === "function";
}

/** Whether a peer is on the host of this name, in lower case. */
function isOn({ stored }: PeerRecord, host: string): boolean {
  return host !== "" && stored.profile.host.toLowerCase() === host;
}

/** The same by the first part of the host's name alone. */
function isOnShort({ stored }: PeerRecord, host: string): boolean {
  return host !== "" && stored.profile.host.toLowerCase().split(".", 1)[0] === host;
}

export function refTo(peer: PeerRecord): PeerRef {
  return create(PeerRefSchema, { peerId: peer.stored.peerId, name: peer.stored.name });
}

export function reachOf(peer: PeerRecord): Reach {
  return peer.online ? peer.reach : Reach.STORED;
}

function describePeer(peer: PeerRecord, waiting: number, nowMs: number): Peer {
  const { stored } = peer;
  return create(PeerSchema, {
    peerId: stored.peerId,
    name: stored.name,
    kind: stored.kind,
    profile: stored.profile,
    online: peer.online,
    lastSeenTime: timestampFromMs(stored.lastSeenMs),
    createTime: timestampFromMs(stored.createTimeMs),
    ...describeMute(stored.mutedUntilMs, nowMs),
    reach: reachOf(peer),
    waitingMessages: BigInt(waiting),
  });
}

function describeMute(mutedUntilMs: number, nowMs: number): Pick<Peer, "muted" | "muteEndTime"> {
  const muted = mutedUntilMs > nowMs;
  const isTimed = muted && mutedUntilMs < Number.MAX_SAFE_INTEGER;
  return isTimed ? { muted, muteEndTime: timestampFromMs(mutedUntilMs) } : { muted };
}

function newRecord(stored: StoredPeer): PeerRecord {
  const { instanceId: lastInstanceId } = stored;
  const connections = new WeakSet<Connection>();
  return { stored, lastInstanceId, connections, online: false, reach: Reach.STORED };
}

function renamed(field: string, name: string, { stored }: PeerRecord): BrokerError {
  return new BrokerError(
    ErrorReason.PEER_NOT_FOUND,
    `${field}: no peer is named "${name}" any more: the one that was is "${stored.name}" now`,
    { metadata: { field, candidates: stored.name } },
  );
}

function shown(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}
