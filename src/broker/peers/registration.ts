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
import type { Clock } from "../../clock.js";
import { automaticName } from "../../contract/names.js";
import { Pulse } from "../../pulse.js";
import { BrokerError } from "../broker-error.js";
import type { BrokerLog } from "../core.js";
import type { Connection } from "../../rpc/server.js";
import { Creations } from "./creations.js";
import { refTo, type Directory, type PeerEntry } from "./directory.js";
import { maxConversationsPerPeer, maxPeers, reclaimDelayMs, seenAgainMs } from "../limits.js";
import { mergeProfile } from "./profile.js";
import { readRegistration, type Registration as Request } from "../calls/registration-request.js";
import type { Retirement } from "./retirement.js";
import { carry, type Session, type Sessions } from "./sessions.js";
import type { StoredPeer } from "../store.js";
import { Turns, type Caller } from "./turns.js";

/** What is asked for, and the connection that it came over. */
interface Registration extends Request {
  readonly connection: Connection;
}

/** The session that a caller has now. */
interface Admission {
  readonly session: Session;
  /** The peers whose secrets the caller holds, each with the secret's place in the request. */
  readonly held: ReadonlyMap<PeerEntry, number>;
  /** The peer is new. */
  readonly created: boolean;
  /** The peer that its conversation is bound to, where that is another. */
  readonly lost: PeerEntry | undefined;
}

type Outcome = Admission | "wait for the former instance";

/**
 * Chooses the peer of a caller and opens its session; the order is Register's in the contract. One
 * registration is made at a time, so that two callers never choose the same peer.
 */
export class Registrar {
  readonly #directory: Directory;
  readonly #sessions: Sessions;
  readonly #creations: Creations;
  readonly #retirement: Retirement;
  readonly #clock: Clock;
  readonly #log: BrokerLog;
  /** Peers that were live when the broker before this one ended, until their instance is back or the wait is over. */
  readonly #formerInstances = new Map<PeerEntry, string>();
  /** Beats when that wait is over. */
  readonly #reclaimed = new Pulse();
  /** When the newest binding of a conversation was made. */
  #lastBoundMs = 0;
  readonly #turns = new Turns();

  constructor(options: {
    directory: Directory;
    sessions: Sessions;
    retirement: Retirement;
    clock: Clock;
    log: BrokerLog;
  }) {
    this.#directory = options.directory;
    this.#sessions = options.sessions;
    this.#creations = new Creations(options.clock);
    this.#retirement = options.retirement;
    this.#clock = options.clock;
    this.#log = options.log;
    for (const entry of options.directory.entries()) {
      if (entry.stored.instanceId !== "") this.#formerInstances.set(entry, entry.stored.instanceId);
      const bound = entry.stored.conversations.map(({ boundAtMs }) => boundAtMs);
      this.#lastBoundMs = Math.max(this.#lastBoundMs, ...bound);
    }
    options.clock.after(reclaimDelayMs, () => {
      this.#formerInstances.clear();
      this.#reclaimed.beat();
    });
  }

  async register(request: RegisterRequest, caller: Caller): Promise<RegisterResponse> {
    for (;;) {
      const outcome = await this.#turns.run(() => this.#attempt(request, caller), caller);
      if (outcome !== "wait for the former instance") return this.#respond(outcome);
      if (this.#formerInstances.size > 0) await this.#reclaimed.next(caller.signal);
    }
  }

  /** Does what must not happen while somebody registers. */
  inTurn<T>(work: () => Promise<T>, caller?: Caller): Promise<T> {
    return this.#turns.run(work, caller);
  }

  async #attempt(request: RegisterRequest, { connection }: Caller): Promise<Outcome> {
    const nameOf = (secretHash: string): string | undefined =>
      this.#directory.getBySecretHash(secretHash)?.stored.name;
    // In turn, since the hashes of a long keyring take their time.
    const wish = { ...readRegistration(request, nameOf), connection };
    const held = this.#heldPeers(wish);
    const own = this.#ownSession(wish, held);
    if (own !== undefined) return this.#returning(wish, held, own);

    const lost = this.#boundTo(wish.conversationId, held);
    const entry = this.#choose(wish, held);
    if (entry !== undefined && this.#awaitsFormerInstance(entry, wish))
      return "wait for the former instance";
    const session = await this.#openOrCreate(wish, held, entry);
    return { session, held, created: entry === undefined, lost };
  }

  /**
   * An instance that has a session. It keeps it, and its peer is bound to the conversation that it
   * names. Where another peer is bound to that, it moves there. Where somebody else has that peer, it
   * moves to one that a newcomer of the conversation would get. What waits at the peer that it leaves
   * stays there.
   */
  async #returning(
    wish: Registration,
    held: Map<PeerEntry, number>,
    own: Session,
  ): Promise<Outcome> {
    const isNew = wish.conversationId !== "" && wish.conversationId !== own.conversationId;
    const bound = isNew ? this.#boundTo(wish.conversationId, held) : undefined;
    if (bound === undefined || bound === own.entry) {
      await this.#keep(wish, held, own);
      return { session: own, held, created: false, lost: undefined };
    }
    const target = this.#choose(...withoutPeer(own.entry, wish, held));
    if (target !== undefined && this.#awaitsFormerInstance(target, wish))
      return "wait for the former instance";
    // A move that is refused leaves the session as it was. So a new peer never has the name of the one left.
    const session = await this.#openOrCreate(wish, held, target);
    this.#log.info(
      { from: own.entry.stored.name, to: session.entry.stored.name },
      "session moved to its conversation's peer",
    );
    await this.#leave(own, wish.connection);
    return { session, held, created: target === undefined, lost: bound };
  }

  async #keep(
    wish: Registration,
    held: ReadonlyMap<PeerEntry, number>,
    session: Session,
  ): Promise<void> {
    carry(session, wish.connection);
    const { entry } = session;
    const profile = mergeProfile(entry.stored.profile, wish.profile);
    const conversationId = wish.conversationId || session.conversationId;
    const isBound =
      conversationId === session.conversationId &&
      (conversationId === "" || this.#boundTo(conversationId, held) === entry);
    const lastSeenMs = this.#clock.now();
    const isNews =
      !isBound ||
      !equals(ProfileSchema, profile, entry.stored.profile) ||
      Math.abs(lastSeenMs - entry.stored.lastSeenMs) >= seenAgainMs;
    // A repeat costs no write.
    if (!isNews) return;
    await this.#directory.updateEvenIfFull(entry, {
      profile,
      conversations: isBound ? entry.stored.conversations : this.#bind(entry, conversationId),
      lastSeenMs,
    });
    session.conversationId = conversationId;
  }

  /** Ends a session whose instance has another now; its peer goes if it was made for it and never used. */
  async #leave(session: Session, connection: Connection): Promise<void> {
    const { entry, created } = session;
    this.#sessions.close(session, Closing_Reason.UNREGISTERED, "moved to its conversation's peer");
    if (!created) return;
    try {
      if (await this.#directory.removeUnused(entry)) this.#creations.giveBack(connection);
    } catch (error) {
      // The move is done. The peer stays until it is retired.
      this.#log.warn({ err: error, peer: entry.stored.name }, "could not remove an unused peer");
    }
  }

  /** The session that the instance has: of the peer of `secret`, of its conversation's, or of another that it holds. */
  #ownSession(wish: Registration, held: ReadonlyMap<PeerEntry, number>): Session | undefined {
    const own = this.#directory.getBySecretHash(wish.secretHash);
    const bound = this.#boundTo(wish.conversationId, held);
    for (const entry of [own, bound, ...held.keys()]) {
      const session = entry && this.#sessions.ofPeer(entry);
      if (session?.instanceId === wish.instanceId) return session;
    }
    return undefined;
  }

  /** Steps 1 to 4 of Register; undefined when a peer is to be created. */
  #choose(wish: Registration, held: ReadonlyMap<PeerEntry, number>): PeerEntry | undefined {
    const bound = this.#boundTo(wish.conversationId, held);
    if (bound !== undefined && this.#isFree(bound, wish)) return bound;

    const named = this.#directory.getByName(wish.name);
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
      .filter((entry) => this.#sessions.liveOf(entry) === undefined)
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
    const own = this.#directory.getBySecretHash(wish.secretHash);
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
    held: Map<PeerEntry, number>,
    entry: PeerEntry | undefined,
  ): Promise<Session> {
    if (entry !== undefined) return this.#open(wish, held, entry, false);
    this.#creations.take(wish.connection);
    try {
      const created = await this.#create(wish);
      held.set(created, 0);
      return await this.#open(wish, held, created, true);
    } catch (error) {
      this.#creations.giveBack(wish.connection);
      throw error;
    }
  }

  async #create(wish: Registration): Promise<PeerEntry> {
    await this.#retirement.makeRoom();
    if (this.#directory.size >= maxPeers) {
      throw new BrokerError(
        ErrorReason.LIMIT_REACHED,
        `the broker knows ${maxPeers} peers: it takes no more until some are removed (\`peerline forget NAME\`)`,
        {
          metadata: { limit: "peers", maximum: String(maxPeers) },
        },
      );
    }
    const now = this.#clock.now();
    const { name, number } = this.#directory.freeName(wish.baseName);
    const stored: StoredPeer = {
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
    const entry = await this.#directory.create(stored);
    this.#log.info({ peer: name, peerId: stored.peerId }, "peer created");
    return entry;
  }

  /**
   * A mute goes along with who was the muted peer and becomes a new one, as far as that can be told. It
   * is the same instance, the same conversation, or a caller over the same connection.
   */
  #inheritedMuteMs({ instanceId, conversationId, connection }: Registration, name: string): number {
    let mutedUntilMs = 0;
    for (const entry of this.#directory.entries()) {
      if (!this.#directory.isMuted(entry)) continue;
      const { stored, lastInstanceId, connections } = entry;
      const isSame =
        lastInstanceId === instanceId ||
        connections.has(connection) ||
        stored.conversations.some(({ id }) => id === conversationId);
      if (!isSame) continue;
      mutedUntilMs = Math.max(mutedUntilMs, stored.mutedUntilMs);
      this.#log.info({ peer: name, muted: stored.name }, "peer created by a muted one, and muted");
    }
    return mutedUntilMs;
  }

  async #open(
    wish: Registration,
    held: ReadonlyMap<PeerEntry, number>,
    entry: PeerEntry,
    created: boolean,
  ): Promise<Session> {
    const live = this.#sessions.liveOf(entry);
    if (live?.instanceId === wish.instanceId) {
      await this.#keep(wish, held, live);
      return live;
    }
    // By the conversation that is bound to it, or by its own secret: it is the caller's.
    const isSure =
      this.#boundTo(wish.conversationId, held) === entry ||
      entry.stored.secretHash === wish.secretHash;
    await this.#directory.updateEvenIfFull(entry, {
      kind: wish.kind,
      profile: mergeProfile(entry.stored.profile, wish.profile),
      epoch: entry.stored.epoch + 1,
      instanceId: wish.instanceId,
      conversations: this.#bind(entry, wish.conversationId),
      lastSeenMs: this.#clock.now(),
    });
    this.#formerInstances.delete(entry);
    entry.lastInstanceId = wish.instanceId;
    const { instanceId, conversationId, connection } = wish;
    if (live?.isSure === false && live.conversationId !== conversationId) {
      // Not as superseded: who had it is no older session of this conversation, and registers anew.
      const detail = "the peer belongs to another conversation, which is back";
      this.#sessions.close(live, Closing_Reason.UNREGISTERED, detail);
    }
    return this.#sessions.open({
      entry,
      instanceId,
      conversationId,
      created,
      isSure,
      connection,
    });
  }

  async #respond({ session, held, created, lost }: Admission): Promise<RegisterResponse> {
    const peer = await this.#directory.describeOne(session.entry);
    return create(RegisterResponseSchema, {
      peer,
      sessionToken: session.token,
      epoch: BigInt(session.epoch),
      secretIndex: held.get(session.entry) ?? 0,
      created,
      provisional: !session.isSure,
      ...(lost === undefined || lost === session.entry ? {} : { boundPeer: refTo(lost) }),
    });
  }

  /** The peers whose secrets the caller holds, each with the secret's place in the request. */
  #heldPeers(wish: Registration): Map<PeerEntry, number> {
    const held = new Map<PeerEntry, number>();
    for (const [index, hash] of [wish.secretHash, ...wish.keyringHashes].entries()) {
      const entry = hash === "" ? undefined : this.#directory.getBySecretHash(hash);
      if (entry !== undefined && !held.has(entry)) held.set(entry, index);
    }
    return held;
  }

  #boundTo(conversationId: string, held: ReadonlyMap<PeerEntry, number>): PeerEntry | undefined {
    if (conversationId === "") return undefined;
    let newest: { entry: PeerEntry; boundAtMs: number } | undefined;
    for (const entry of held.keys()) {
      for (const { id, boundAtMs } of entry.stored.conversations) {
        if (id === conversationId && boundAtMs >= (newest?.boundAtMs ?? 0))
          newest = { entry, boundAtMs };
      }
    }
    return newest?.entry;
  }

  #bind(entry: PeerEntry, conversationId: string): StoredPeer["conversations"] {
    if (conversationId === "") return entry.stored.conversations;
    const others = entry.stored.conversations.filter(({ id }) => id !== conversationId);
    // Later than every binding before it, though the clock was set back: the last one counts.
    this.#lastBoundMs = Math.max(this.#clock.now(), this.#lastBoundMs + 1);
    return [...others, { id: conversationId, boundAtMs: this.#lastBoundMs }].slice(
      -maxConversationsPerPeer,
    );
  }

  /**
   * Nobody else has the peer, or who has it is of the same conversation. Or who has it took it because
   * it was free, has not used it, and this conversation is bound to it.
   */
  #isFree(entry: PeerEntry, wish: Registration): boolean {
    if (entry.stored.kind !== wish.kind && entry.stored.secretHash !== wish.secretHash)
      return false;
    const live = this.#sessions.liveOf(entry);
    if (live === undefined || live.instanceId === wish.instanceId) return true;
    if (wish.conversationId === "") return false;
    const isBound = entry.stored.conversations.some(({ id }) => id === wish.conversationId);
    return live.conversationId === wish.conversationId || (isBound && !live.isSure);
  }

  #awaitsFormerInstance(entry: PeerEntry, wish: Registration): boolean {
    const former = this.#formerInstances.get(entry);
    return former !== undefined && former !== wish.instanceId;
  }
}

/** A wish of somebody who is not to get this peer. */
function withoutPeer(
  entry: PeerEntry,
  wish: Registration,
  held: ReadonlyMap<PeerEntry, number>,
): [Registration, Map<PeerEntry, number>] {
  const isOwn = wish.secretHash === entry.stored.secretHash;
  const others = [...held].filter(([other]) => other !== entry);
  return [{ ...wish, secretHash: isOwn ? "" : wish.secretHash }, new Map(others)];
}
