import { create, equals } from "@bufbuild/protobuf";
import {
  Closing_Reason,
  RegisterResponseSchema,
  type RegisterRequest,
  type RegisterResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import { v7 as uuidv7 } from "uuid";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import type { Connection } from "../../rpc/server.js";
import { Conversations } from "./conversations.js";
import { Creations } from "./creations.js";
import { refTo, type PeerRecord } from "./directory.js";
import { maxConflicts, secretsPerSlice, seenAgainMs } from "../limits.js";
import { automaticName } from "./names.js";
import { mergeProfile } from "./profile.js";
import { readRegistration, type Registration as Request } from "../calls/registration-request.js";
import type { Retirement } from "./retirement.js";
import type { Session } from "./sessions.js";
import { requireLetIn, type Machine } from "../machines/machines.js";
import type { StoredPeer } from "../store/peers.js";
import { StoreError } from "../store/store.js";
import { Turns, type Caller } from "./turns.js";

/** What is asked for, and where it came from. */
interface Registration extends Request {
  readonly connection: Connection;
  /** The machine that calls; undefined on the broker's own, and its id empty. */
  readonly machine: Machine | undefined;
  readonly machineId: string;
}

/** The session that a caller has now. */
interface Admission {
  readonly session: Session;
  /** The peers whose secrets the caller holds, each with the secret's place in the request. */
  readonly held: ReadonlyMap<PeerRecord, number>;
  /** The peer is new. */
  readonly created: boolean;
  /** The peer that its conversation is bound to, where that is another. */
  readonly lost: PeerRecord | undefined;
}

/** The peer is kept for an instance that is expected: look again when that is settled. */
interface Waiting {
  readonly waitsFor: PeerRecord;
}

type Outcome = Admission | Waiting;

type Parts = Pick<Core, "directory" | "sessions" | "clock" | "settings" | "log"> & {
  readonly retirement: Retirement;
};

/** Another broker made the peer, or opened its session, meanwhile: what was chosen has to be chosen again. */
class Overtaken extends Error {
  override readonly name = "Overtaken";
}

/**
 * Chooses the peer of a caller and opens its session; the order is Register's in the contract. One
 * registration is made at a time, so that two callers never choose the same peer. Where two brokers choose it at
 * once, the store takes one of the two, and the other chooses again.
 */
export class Registrar {
  readonly #core: Parts;
  readonly #creations: Creations;
  readonly #conversations: Conversations;
  readonly #turns = new Turns();

  constructor(core: Parts) {
    this.#core = core;
    this.#creations = new Creations(core.clock);
    this.#conversations = new Conversations(core.clock);
    for (const { stored } of core.directory.peers()) this.#conversations.heard(stored);
    core.directory.onStored(({ stored }) => this.#conversations.heard(stored));
  }

  /** @param machine that calls; undefined on the broker's own. */
  async register(
    request: RegisterRequest,
    caller: Caller,
    machine?: Machine,
  ): Promise<RegisterResponse> {
    const cost = 1 + request.keyring.length / secretsPerSlice;
    for (let tries = 1; ; tries++) {
      try {
        const outcome = await this.#turns.run(
          () => this.#attempt(request, caller, machine),
          caller,
          cost,
        );
        if (!("waitsFor" in outcome)) return await this.#respond(outcome);
        await this.#core.sessions.expected.whenSettled(outcome.waitsFor, caller.signal);
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        if (tries >= maxConflicts) throw overtakenTooOften();
      }
    }
  }

  /** Does what must not happen while somebody registers. */
  inTurn<T>(work: () => Promise<T>, caller?: Caller): Promise<T> {
    return this.#turns.run(work, caller);
  }

  async #attempt(
    request: RegisterRequest,
    { connection }: Caller,
    machine: Machine | undefined,
  ): Promise<Outcome> {
    requireLetIn(machine);
    const nameOf = (secretHash: string): string | undefined =>
      this.#core.directory.getBySecretHash(secretHash)?.stored.name;
    // In turn, since the hashes of a long keyring take their time.
    const read = await readRegistration(request, nameOf);
    requireLetIn(machine);
    const { machineId = "", name: host } = machine?.stored ?? {};
    // What a machine is called here was settled when it was let in: none passes for another.
    const profile = host === undefined ? read.profile : { ...read.profile, host };
    // An instance is one machine's: another that says the same id gets a session of its own. No id has a slash.
    const instanceId = machineId === "" ? read.instanceId : `${machineId}/${read.instanceId}`;
    const wish = { ...read, profile, instanceId, connection, machine, machineId };
    const held = this.#heldPeers(wish);
    const own = this.#ownSession(wish, held);
    if (own !== undefined) return this.#returning(wish, held, own);

    const lost = this.#conversations.boundTo(wish.conversationId, held.keys());
    const peer = this.#ownElsewhere(wish, held, lost) ?? this.#choose(wish, held);
    if (peer !== undefined && this.#isKeptFromCaller(peer, wish)) return { waitsFor: peer };
    const session = await this.#openOrCreate(wish, held, peer);
    return { session, held, created: peer === undefined, lost };
  }

  /**
   * Registers an instance that has a session. It keeps the session, and the peer is bound to the
   * conversation that it names. If another peer is bound to that conversation, the session moves to
   * that peer. If somebody else has that peer, the session moves to the peer that a newcomer of the
   * conversation would get. Mail that waits at the peer that is left stays there.
   */
  async #returning(
    wish: Registration,
    held: Map<PeerRecord, number>,
    own: Session,
  ): Promise<Outcome> {
    const isNew = wish.conversationId !== "" && wish.conversationId !== own.conversationId;
    const bound = isNew ? this.#conversations.boundTo(wish.conversationId, held.keys()) : undefined;
    if (bound === undefined || bound === own.peer) {
      await this.#keep(wish, held, own);
      return { session: own, held, created: false, lost: undefined };
    }
    const target = this.#choose(...withoutPeer(own.peer, wish, held));
    if (target !== undefined && this.#isKeptFromCaller(target, wish)) return { waitsFor: target };
    // A move that is refused leaves the session as it was. So a new peer never has the name of the one left.
    const session = await this.#openOrCreate(wish, held, target);
    this.#core.log.info(
      { from: own.peer.stored.name, to: session.peer.stored.name },
      "session moved to its conversation's peer",
    );
    await this.#leave(own, wish.connection);
    return { session, held, created: target === undefined, lost: bound };
  }

  async #keep(
    wish: Registration,
    held: ReadonlyMap<PeerRecord, number>,
    session: Session,
  ): Promise<void> {
    const { sessions, directory } = this.#core;
    const { peer } = session;
    // Its client may come back from another broker, which has opened a newer one: only a write tells for sure.
    const isDoubtful = directory.isShared && !session.connections.has(wish.connection);
    sessions.carry(session, wish.connection);
    const profileOf = (stored: StoredPeer) => mergeProfile(stored.profile, wish.profile);
    const conversationId = wish.conversationId || session.conversationId;
    const isBound =
      conversationId === session.conversationId &&
      (conversationId === "" || this.#conversations.boundTo(conversationId, held.keys()) === peer);
    const lastSeenMs = this.#core.clock.now();
    const isNews =
      isDoubtful ||
      !isBound ||
      !equals(ProfileSchema, profileOf(peer.stored), peer.stored.profile) ||
      Math.abs(lastSeenMs - peer.stored.lastSeenMs) >= seenAgainMs;
    // A repeat costs no write.
    if (!isNews) return;
    const isOwn = ({ epoch }: StoredPeer): boolean => epoch === session.epoch;
    const isKept = await directory.updateEvenIfFull(peer, isOwn, (stored) => ({
      profile: profileOf(stored),
      conversations: isBound
        ? stored.conversations
        : this.#conversations.bind(stored, conversationId),
      lastSeenMs,
    }));
    if (!isKept) throw new Overtaken();
    sessions.bindTo(session, conversationId);
  }

  /**
   * Ends a session whose instance has another one now. Its peer is removed if it was made for that session and never
   * used.
   */
  async #leave(session: Session, connection: Connection): Promise<void> {
    const { peer, created } = session;
    this.#core.sessions.close(
      session,
      Closing_Reason.UNREGISTERED,
      "moved to its conversation's peer",
    );
    // Another broker may have given it to somebody by now.
    const isFree = this.#core.sessions.liveOf(peer) === undefined;
    if (created && isFree && (await this.#removeUnused(peer)))
      this.#creations.giveBack(connection, session.machineId);
  }

  /** Where that fails the peer stays until it is retired. */
  async #removeUnused(peer: PeerRecord): Promise<boolean> {
    try {
      return await this.#core.directory.removeUnused(peer);
    } catch (error) {
      this.#core.log.warn(
        { err: error, peer: peer.stored.name },
        "could not remove an unused peer",
      );
      return false;
    }
  }

  /**
   * The session that the instance has: that of the peer of `secret`, of its conversation's peer, or of another peer
   * that it holds.
   */
  #ownSession(wish: Registration, held: ReadonlyMap<PeerRecord, number>): Session | undefined {
    const own = this.#core.directory.getBySecretHash(wish.secretHash);
    const bound = this.#conversations.boundTo(wish.conversationId, held.keys());
    for (const peer of [own, bound, ...held.keys()]) {
      const session = peer && this.#core.sessions.ofPeer(peer);
      if (session?.instanceId === wish.instanceId) return session;
    }
    return undefined;
  }

  /**
   * The peer whose session the instance has at another broker, which it has left for this one. It goes with its
   * conversation, if that is bound to another peer.
   */
  #ownElsewhere(
    wish: Registration,
    held: ReadonlyMap<PeerRecord, number>,
    bound: PeerRecord | undefined,
  ): PeerRecord | undefined {
    const isOwn = (peer: PeerRecord): boolean =>
      this.#core.sessions.elsewhereOf(peer)?.instanceId === wish.instanceId;
    const own = [...held.keys()].filter(isOwn);
    return bound === undefined ? own[0] : own.find((peer) => peer === bound);
  }

  /** Steps 1 to 4 of Register; undefined when a peer is to be created. */
  #choose(wish: Registration, held: ReadonlyMap<PeerRecord, number>): PeerRecord | undefined {
    const bound = this.#conversations.boundTo(wish.conversationId, held.keys());
    if (bound !== undefined && this.#isFree(bound, wish)) return bound;

    const named = this.#core.directory.names.get(wish.name);
    if (named !== undefined && held.has(named) && this.#isFree(named, wish)) return named;

    const sameBase = [...held.keys()]
      .filter(
        ({ stored }) =>
          wish.hasProject &&
          // Older brokers gave names that are reserved now.
          automaticName(stored.baseName, stored.kind) === wish.baseName &&
          stored.kind === wish.kind,
      )
      .filter(({ stored }) => stored.profile.root === wish.profile.root)
      .filter((peer) => this.#core.sessions.liveOf(peer) === undefined)
      .toSorted(
        (a, b) =>
          a.stored.number - b.stored.number || a.stored.createTimeMs - b.stored.createTimeMs,
      );
    if (sameBase[0] !== undefined) return sameBase[0];

    if (wish.secretHash === "") {
      throw new BrokerError(
        ErrorReason.PEER_NOT_FOUND,
        "secret is empty and no peer of the keyring is free: send a new secret to become a new peer",
        { metadata: { field: "secret" } },
      );
    }
    const own = this.#core.directory.getBySecretHash(wish.secretHash);
    if (own !== undefined && !this.#isFree(own, wish)) {
      throw new BrokerError(
        ErrorReason.PEER_LIVE,
        `the identity of secret, ${own.stored.name}, has a live session: end that one, or register with another secret`,
        { metadata: { field: "secret", candidates: own.stored.name } },
      );
    }
    return own;
  }

  async #openOrCreate(
    wish: Registration,
    held: Map<PeerRecord, number>,
    peer: PeerRecord | undefined,
  ): Promise<Session> {
    if (peer !== undefined) return this.#open(wish, held, peer, false);
    this.#creations.take(wish.connection, wish.machineId);
    let created: PeerRecord | undefined;
    try {
      created = await this.#create(wish);
      held.set(created, 0);
      return await this.#open(wish, held, created, true);
    } catch (error) {
      // A new peer whose session another broker has opened is that one's.
      const isOthers = created !== undefined && error instanceof Overtaken;
      if (!isOthers && (created === undefined || (await this.#removeUnused(created))))
        this.#creations.giveBack(wish.connection, wish.machineId);
      throw error;
    }
  }

  async #create(wish: Registration): Promise<PeerRecord> {
    await this.#core.retirement.makeRoom();
    requireLetIn(wish.machine);
    const { peers } = this.#core.settings;
    if (this.#core.directory.size >= peers) {
      throw new BrokerError(
        ErrorReason.LIMIT_REACHED,
        `the broker knows ${peers} peers: it takes no more until some are removed (\`peerline forget NAME\`)`,
        {
          metadata: { limit: "peers", maximum: String(peers) },
        },
      );
    }
    for (let tries = 1; ; tries++) {
      const stored = this.#newPeer(wish);
      try {
        const peer = await this.#core.directory.create(stored);
        this.#core.log.info({ peer: stored.name, peerId: stored.peerId }, "peer created");
        return peer;
      } catch (error) {
        if (error instanceof StoreError && error.code === "SECRET_TAKEN") throw new Overtaken();
        const isTaken = error instanceof BrokerError && error.reason === ErrorReason.NAME_TAKEN;
        // Another broker has just given the name to another. By now that one is known here.
        if (!isTaken || tries >= maxConflicts) throw error;
      }
    }
  }

  /** With the first free name. */
  #newPeer(wish: Registration): StoredPeer {
    const now = this.#core.clock.now();
    const { name, number } = this.#core.directory.names.free(wish.baseName);
    return {
      peerId: uuidv7(),
      name,
      kind: wish.kind,
      profile: wish.profile,
      createTimeMs: now,
      lastSeenMs: now,
      secretHash: wish.secretHash,
      baseName: wish.baseName,
      number,
      epoch: 0,
      instanceId: "",
      conversations: [],
      formerNames: [],
      mutedUntilMs: this.#inheritedMuteMs(wish, name),
      revision: 1,
    };
  }

  /**
   * A muted client that becomes a new peer stays muted, as far as it can be recognised: by its
   * instance, its conversation or its connection.
   */
  #inheritedMuteMs({ instanceId, conversationId, connection }: Registration, name: string): number {
    let mutedUntilMs = 0;
    for (const peer of this.#core.directory.peers()) {
      if (!this.#core.directory.isMuted(peer)) continue;
      const { stored, lastInstanceId, connections } = peer;
      const isSame =
        lastInstanceId === instanceId ||
        connections.has(connection) ||
        stored.conversations.some(({ id }) => id === conversationId);
      if (!isSame) continue;
      mutedUntilMs = Math.max(mutedUntilMs, stored.mutedUntilMs);
      this.#core.log.info(
        { peer: name, muted: stored.name },
        "peer created by a muted one, and muted",
      );
    }
    return mutedUntilMs;
  }

  async #open(
    wish: Registration,
    held: ReadonlyMap<PeerRecord, number>,
    peer: PeerRecord,
    created: boolean,
  ): Promise<Session> {
    const { sessions, directory, clock } = this.#core;
    const own = sessions.ofPeer(peer);
    if (own?.instanceId === wish.instanceId && sessions.liveOf(peer) === own) {
      await this.#keep(wish, held, own);
      return own;
    }
    // By the conversation that is bound to it, or by its own secret: it is the caller's.
    const isSure =
      this.#conversations.boundTo(wish.conversationId, held.keys()) === peer ||
      peer.stored.secretHash === wish.secretHash;
    // Who has the peer was looked at in this epoch.
    const { epoch } = peer.stored;
    const isAsSeen = (stored: StoredPeer): boolean =>
      stored.epoch === epoch && directory.get(stored.peerId) === peer;
    const isOpened = await directory.updateEvenIfFull(peer, isAsSeen, (stored) => ({
      kind: wish.kind,
      profile: mergeProfile(stored.profile, wish.profile),
      epoch: epoch + 1,
      instanceId: wish.instanceId,
      conversations: this.#conversations.bind(stored, wish.conversationId),
      lastSeenMs: clock.now(),
    }));
    // A yet newer session may have been opened elsewhere by now.
    if (!isOpened || peer.stored.epoch !== epoch + 1) throw new Overtaken();
    requireLetIn(wish.machine);
    const { instanceId, conversationId, connection, machineId } = wish;
    return sessions.open({
      peer,
      machineId,
      instanceId,
      conversationId,
      created,
      isSure,
      connection,
    });
  }

  async #respond({ session, held, created, lost }: Admission): Promise<RegisterResponse> {
    const peer = await this.#core.directory.describeOne(session.peer);
    return create(RegisterResponseSchema, {
      peer,
      sessionToken: session.token,
      epoch: BigInt(session.epoch),
      secretIndex: held.get(session.peer) ?? 0,
      created,
      provisional: !session.isSure,
      ...(lost === undefined || lost === session.peer ? {} : { boundPeer: refTo(lost) }),
    });
  }

  /** The peers whose secrets the caller holds, each with the secret's place in the request. */
  #heldPeers(wish: Registration): Map<PeerRecord, number> {
    const held = new Map<PeerRecord, number>();
    for (const [index, hash] of [wish.secretHash, ...wish.keyringHashes].entries()) {
      const peer = hash === "" ? undefined : this.#core.directory.getBySecretHash(hash);
      if (peer !== undefined && !held.has(peer)) held.set(peer, index);
    }
    return held;
  }

  /**
   * Whether the caller may have the peer. Either nobody else has it, or a session of the same
   * conversation has it. Or a session took it because it was free and has not used it, and this
   * conversation is bound to it.
   */
  #isFree(peer: PeerRecord, wish: Registration): boolean {
    if (peer.stored.kind !== wish.kind && peer.stored.secretHash !== wish.secretHash) return false;
    const live = this.#core.sessions.liveOf(peer);
    if (live === undefined || live.instanceId === wish.instanceId) return true;
    if (wish.conversationId === "") return false;
    const isBound = peer.stored.conversations.some(({ id }) => id === wish.conversationId);
    return live.conversationId === wish.conversationId || (isBound && !live.isSure);
  }

  #isKeptFromCaller(peer: PeerRecord, wish: Registration): boolean {
    const expected = this.#core.sessions.expected.of(peer);
    if (expected === undefined || expected.instanceId === wish.instanceId) return false;
    return wish.conversationId === "" || expected.conversationId !== wish.conversationId;
  }
}

function overtakenTooOften(): BrokerError {
  return new BrokerError(
    ErrorReason.STORE_UNAVAILABLE,
    "other brokers open sessions of the same peer all the time: try again",
  );
}

/** The same registration, of a caller that is not to get this peer. */
function withoutPeer(
  peer: PeerRecord,
  wish: Registration,
  held: ReadonlyMap<PeerRecord, number>,
): [Registration, Map<PeerRecord, number>] {
  const isOwn = wish.secretHash === peer.stored.secretHash;
  const others = [...held].filter(([other]) => other !== peer);
  return [{ ...wish, secretHash: isOwn ? "" : wish.secretHash }, new Map(others)];
}
