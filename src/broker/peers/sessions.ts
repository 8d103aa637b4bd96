import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { Closing_Reason } from "../../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import type { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../../clock.js";
import type { Connection } from "../../rpc/server.js";
import { BrokerError } from "../broker-error.js";
import { Announcements } from "./announcements.js";
import type { Directory, PeerRecord } from "./directory.js";
import { ExpectedInstances } from "./expected-instances.js";
import { presenceGraceMs } from "../limits.js";
import type { BrokerLog } from "../core.js";
import type { Presence, StoredMachine, StoredPeer } from "../store/peers.js";
import type { Store } from "../store/store.js";

/** What counts of a session, wherever it is. */
export interface KnownSession {
  readonly instanceId: string;
  readonly epoch: number;
  /** The host's conversation, as it was named last; empty while there is none. */
  readonly conversationId: string;
  /**
   * The peer is known to be the caller's: it came by its secret or its conversation, or has used the peer.
   * Until then the conversation that the peer is bound to takes it back.
   */
  readonly isSure: boolean;
}

/** One live attachment of a client to a peer, at this broker. At most one per peer; a newer one replaces it. */
export interface Session extends KnownSession {
  readonly token: string;
  readonly peer: PeerRecord;
  /** The machine that opened it; empty for one on the broker's own machine. */
  readonly machineId: string;
  conversationId: string;
  isSure: boolean;
  /** How it says that it is reached while it is online. */
  reach: Reach;
  /** The instance that had the peer before, where that was at another broker; else empty. */
  readonly instanceElsewhere: string;
  /** The peer was created for this session. */
  readonly created: boolean;
  /** How many deliveries its streams have made: each has a number of its own. */
  deliveryCount: number;
  /** The open stream, if any. */
  stream: SessionStream | undefined;
  /**
   * The open connections over which it registered or called, each with what to do when it closes. While
   * there is one, the session is live.
   */
  readonly connections: Map<Connection, () => void>;
  /** Aborts when the session ends, with the error for what it still has open. */
  readonly ended: AbortController;
}

/** What a session can do to its stream. */
export interface SessionStream {
  /** Ends the stream with `closing`; its leases end now, whatever its reader does. */
  end(reason: Closing_Reason, detail: string): void;
}

/** Who calls, by its token and its machine. */
export type Credential = Actor | Observer;

/** Who may change something. */
export type Actor =
  | { readonly kind: "session"; readonly session: Session }
  | { readonly kind: "operator" };

/** A machine that reads what the operator reads. */
export interface Observer {
  readonly kind: "observer";
}

/**
 * The live sessions, and what others see of them. Several brokers may serve one store. A session is at one of them,
 * and its opening there is a change of the peer's record, to its next epoch. So of two that open one at once, one is
 * told of the other. Each broker says what others are to know of its sessions, and ends one of its own
 * when it hears of a newer epoch. All that asks for the session of a peer asks here, wherever it is.
 *
 * A session is live while a connection is open over which it registered or called, whether or not it
 * has a stream there; no timer decides. Several sessions may share a connection, and one session may
 * have several. When the last one is gone the peer can be taken at once, yet the token stays good until
 * somebody does. A call that brings it over a new connection makes the session live again. Others see
 * the peer as online for a grace longer than its stream.
 */
export class Sessions {
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #operatorHash: Buffer;
  readonly #brokerId: string;
  readonly #byToken = new Map<string, Session>();
  readonly #byPeer = new Map<string, Session>();
  /** What other brokers said of a peer's session, by peer. */
  readonly #elsewhere = new Map<string, Presence>();
  /** The instance of a peer's last session, where that was at another broker. */
  readonly #instanceElsewhere = new Map<string, string>();
  readonly #graces = new Map<PeerRecord, Disposable>();
  readonly #announcements: Announcements;
  /** Instances whose peer is kept for them for a moment. */
  readonly expected: ExpectedInstances;

  constructor(options: {
    store: Store;
    directory: Directory;
    clock: Clock;
    log: BrokerLog;
    operatorToken: string;
    brokerId: string;
  }) {
    const { store, directory, clock, log, operatorToken, brokerId } = options;
    this.#directory = directory;
    this.#clock = clock;
    this.#operatorHash = sha256(operatorToken);
    this.#brokerId = brokerId;
    this.expected = new ExpectedInstances(clock);
    const presenceOf = (peerId: string): Presence | undefined => this.#presenceOf(peerId);
    this.#announcements = new Announcements({ store, clock, log, presenceOf });
    directory.onStored((peer, before) => this.#noteRecord(peer, before));
    directory.onRemoved((peer) => this.#noteRemoval(peer));
  }

  /**
   * Says who calls. UNAUTHENTICATED without a token, or with one of no live session; SESSION_FOREIGN with
   * one of another machine's.
   *
   * @param machine that calls; undefined on the broker's own
   */
  authenticate(
    authorization: string | undefined,
    connection: Connection,
    machine?: StoredMachine,
  ): Credential {
    if (authorization === undefined) {
      if (machine?.scope === MachineScope.OPERATE) return { kind: "operator" };
      if (machine?.scope === MachineScope.OBSERVE) return { kind: "observer" };
      if (machine !== undefined) {
        throw new BrokerError(
          ErrorReason.SCOPE_EXCEEDED,
          "this machine's scope is `agent`: its agents and people do what is theirs, after Register, and the machine itself no more. " +
            "For more, run `peerline leave` on it, and join with a line of `peerline share --scope operate` of the broker's machine",
        );
      }
      throw new BrokerError(
        ErrorReason.TOKEN_MISSING,
        "this call needs metadata `authorization: Bearer TOKEN`: Register gives a token",
      );
    }
    const token = /^Bearer ([\w-]{1,256})$/i.exec(authorization)?.[1] ?? "";
    const hash = sha256(token);
    if (timingSafeEqual(hash, this.#operatorHash)) {
      if (machine === undefined) return { kind: "operator" };
      throw new BrokerError(
        ErrorReason.NOT_ALLOWED,
        "the operator token counts on the broker's own machine alone: another one may do what its scope says",
      );
    }
    const session = this.#byToken.get(hash.toString("base64"));
    if (session === undefined) {
      throw tokenInvalid();
    }
    if (session.machineId !== (machine?.machineId ?? "")) {
      throw new BrokerError(
        ErrorReason.SESSION_FOREIGN,
        "the session was opened by another machine: Register from this one",
      );
    }
    this.carry(session, connection);
    return { kind: "session", session };
  }

  /** The session here whose token is good, live or not. */
  ofPeer(peer: PeerRecord): Session | undefined {
    return this.#byPeer.get(peer.stored.peerId);
  }

  /** The session at another broker, live or not. */
  elsewhereOf({ stored }: PeerRecord): Presence | undefined {
    const presence = this.#elsewhere.get(stored.peerId);
    // A newer one was opened since.
    return presence !== undefined && presence.epoch >= stored.epoch ? presence : undefined;
  }

  /** The session, here or at another broker, that keeps others from taking this peer. */
  liveOf(peer: PeerRecord): KnownSession | undefined {
    const elsewhere = this.elsewhereOf(peer);
    if (elsewhere !== undefined) return elsewhere.isLive ? elsewhere : undefined;
    const session = this.ofPeer(peer);
    return session !== undefined && isLive(session) ? session : undefined;
  }

  /** Opens the session of the peer's epoch, which its record has by now. The one before it has ended with that. */
  open(options: {
    peer: PeerRecord;
    machineId: string;
    instanceId: string;
    conversationId: string;
    created: boolean;
    connection: Connection;
    isSure: boolean;
  }): Session {
    const { connection, ...facts } = options;
    const { peer } = facts;
    const { peerId, epoch } = peer.stored;
    const session: Session = {
      ...facts,
      token: randomBytes(32).toString("base64url"),
      epoch,
      reach: peer.reach,
      instanceElsewhere: this.#instanceElsewhere.get(peerId) ?? "",
      deliveryCount: 0,
      stream: undefined,
      connections: new Map(),
      ended: new AbortController(),
    };
    this.#byToken.set(sha256(session.token).toString("base64"), session);
    this.#byPeer.set(peerId, session);
    this.#elsewhere.delete(peerId);
    this.#instanceElsewhere.delete(peerId);
    this.expected.settle(peer);
    peer.lastInstanceId = session.instanceId;
    this.carry(session, connection);
    this.#announcements.changed(peerId);
    return session;
  }

  /** Ends a session: its stream is closed and its token is void. */
  close(session: Session, reason: Closing_Reason, detail: string): void {
    const { peerId } = session.peer.stored;
    this.#byToken.delete(sha256(session.token).toString("base64"));
    if (this.#byPeer.get(peerId) === session) this.#byPeer.delete(peerId);
    session.stream?.end(reason, detail);
    session.ended.abort(tokenInvalid());
    leaveConnections(session);
    this.#announcements.changed(peerId);
  }

  /** The peer is no more: its session, if there is one, ends. */
  closeOf(peer: PeerRecord, detail: string): void {
    const session = this.ofPeer(peer);
    if (session !== undefined) this.close(session, Closing_Reason.UNREGISTERED, detail);
  }

  /** From now on, and until it closes, the connection keeps the session live. */
  carry(session: Session, connection: Connection): void {
    const { peer, connections, ended } = session;
    const { closed } = connection;
    if (closed.aborted || ended.signal.aborted || connections.has(connection)) return;
    peer.connections.add(connection);
    const lose = (): void => {
      connections.delete(connection);
      if (!isLive(session)) this.#announcements.changed(peer.stored.peerId);
    };
    connections.set(connection, lose);
    closed.addEventListener("abort", lose, { once: true });
    if (connections.size === 1) this.#announcements.changed(peer.stored.peerId);
  }

  /** The session has used its peer. */
  makeSure(session: Session): void {
    if (session.isSure) return;
    session.isSure = true;
    this.#announcements.changed(session.peer.stored.peerId);
  }

  /** The session's host is in this conversation now. */
  bindTo(session: Session, conversationId: string): void {
    if (session.conversationId === conversationId) return;
    session.conversationId = conversationId;
    this.#announcements.changed(session.peer.stored.peerId);
  }

  /** The session is reached in another way, while it is online. */
  setReach(session: Session, reach: Reach): void {
    session.reach = reach;
    this.#show(session.peer);
  }

  /** A broker says this of a peer's session; undefined: it has none any more, or the broker is gone. */
  heard(peerId: string, presence: Presence | undefined): void {
    if (presence?.brokerId === this.#brokerId) return;
    const own = this.#byPeer.get(peerId);
    // Of an older session than the one here.
    if (own !== undefined && (presence === undefined || presence.epoch <= own.epoch)) return;
    const before = this.#elsewhere.get(peerId);
    if (presence === undefined) this.#elsewhere.delete(peerId);
    else {
      this.#elsewhere.set(peerId, presence);
      this.#instanceElsewhere.set(peerId, presence.instanceId);
    }
    if (own !== undefined && presence !== undefined) this.#supersede(own, presence);
    const peer = this.#directory.get(peerId);
    if (peer === undefined) return;
    if (presence !== undefined) {
      peer.lastInstanceId = presence.instanceId;
      if (presence.epoch >= peer.stored.epoch) this.expected.settle(peer);
      if (presence.online) this.#endGrace(peer);
    } else if (before?.isLive === true && before.epoch === peer.stored.epoch) {
      // A session that ends says first that it is live no more. So its broker is gone, and the client comes back.
      this.expected.expect(peer, before);
      if (before.online) this.#leaveSoon(peer);
    }
    this.#show(peer);
  }

  /** A record may tell of a newer session. */
  #noteRecord(peer: PeerRecord, before: StoredPeer | undefined): void {
    const { peerId, epoch, instanceId, conversations } = peer.stored;
    if (epoch > (before?.epoch ?? 0)) {
      const own = this.#byPeer.get(peerId);
      const newer = { instanceId, conversationId: conversations.at(-1)?.id ?? "" };
      if (own !== undefined && own.epoch < epoch) this.#supersede(own, newer);
      // Until the new session says that it is there.
      if (peer.online) this.#leaveSoon(peer);
      if (instanceId !== "" && this.elsewhereOf(peer) === undefined)
        this.expected.expect(peer, { instanceId, conversationId: "" });
    }
    if (instanceId === "") this.expected.settle(peer);
    const elsewhere = this.#elsewhere.get(peerId);
    if (elsewhere === undefined) return;
    peer.lastInstanceId = elsewhere.instanceId;
    this.#show(peer);
  }

  #noteRemoval(peer: PeerRecord): void {
    const { peerId } = peer.stored;
    this.closeOf(peer, "the peer was deleted");
    this.expected.settle(peer);
    this.#elsewhere.delete(peerId);
    this.#instanceElsewhere.delete(peerId);
  }

  /** A newer session of the peer was opened, here or at another broker. */
  #supersede(
    session: Session,
    newer: { readonly instanceId: string; readonly conversationId: string },
  ): void {
    // Of another conversation: this client registers anew.
    const isOthers =
      !session.isSure &&
      isLive(session) &&
      newer.instanceId !== session.instanceId &&
      newer.conversationId !== session.conversationId;
    if (isOthers) {
      const detail = "the peer belongs to another conversation, which is back";
      this.close(session, Closing_Reason.UNREGISTERED, detail);
    } else {
      this.close(session, Closing_Reason.SUPERSEDED, "another session of this peer took over");
    }
  }

  /** Ends the sessions that a machine has open, and says how many they were. */
  closeOfMachine(machineId: string, reason: Closing_Reason, detail: string): number {
    const own = [...this.#byToken.values()].filter((session) => session.machineId === machineId);
    for (const session of own) this.close(session, reason, detail);
    return own.length;
  }

  /** Makes a stream the session's own; the one before it ends as superseded. */
  attach(session: Session, stream: SessionStream, reach: Reach): void {
    session.stream?.end(Closing_Reason.SUPERSEDED, "another stream of this session took over");
    session.stream = stream;
    session.reach = reach;
    this.#endGrace(session.peer);
    this.#show(session.peer);
  }

  /** The stream is closed. Others see the peer leave after the grace, at once when `now`. */
  detach(session: Session, stream: SessionStream, now: boolean): void {
    if (session.stream !== stream) return;
    session.stream = undefined;
    const { peer } = session;
    this.#endGrace(peer);
    if (!now) this.#leaveSoon(peer);
    this.#show(peer);
  }

  /** Ends every stream; tokens stay until the process ends. */
  endStreams(reason: Closing_Reason, detail: string): void {
    for (const session of this.#byToken.values()) session.stream?.end(reason, detail);
    for (const peer of this.#graces.keys()) this.#endGrace(peer);
  }

  /** Tells others that its sessions have ended. */
  async stop(): Promise<void> {
    await this.#announcements.close();
  }

  /** What others are shown of a peer: the session that it has, wherever that is. */
  #show(peer: PeerRecord): void {
    const { peerId } = peer.stored;
    const elsewhere = this.elsewhereOf(peer);
    const session = elsewhere === undefined ? this.#byPeer.get(peerId) : undefined;
    const isThere = elsewhere?.online ?? session?.stream !== undefined;
    const reach = elsewhere?.reach ?? session?.reach ?? peer.reach;
    this.#directory.setPresence(peer, { online: isThere || this.#graces.has(peer), reach });
    this.#announcements.changed(peerId);
  }

  /** What other brokers are to know of the session here. */
  #presenceOf(peerId: string): Presence | undefined {
    const session = this.#byPeer.get(peerId);
    if (session === undefined) return undefined;
    const { epoch, instanceId, conversationId, isSure, peer } = session;
    const { online, reach } = peer;
    const known = { epoch, instanceId, conversationId, isSure, online, reach };
    return { brokerId: this.#brokerId, isLive: isLive(session), ...known };
  }

  #leaveSoon(peer: PeerRecord): void {
    this.#endGrace(peer);
    const leave = (): void => {
      this.#graces.delete(peer);
      this.#show(peer);
    };
    this.#graces.set(peer, this.#clock.after(presenceGraceMs, leave));
  }

  #endGrace(peer: PeerRecord): void {
    this.#graces.get(peer)?.[Symbol.dispose]();
    this.#graces.delete(peer);
  }
}

/** Who reads: a peer's id, or empty for who sees all. */
export function viewerOf(caller: Credential): string {
  return caller.kind === "session" ? caller.session.peer.stored.peerId : "";
}

function isLive({ connections }: Session): boolean {
  return connections.size > 0;
}

/** The session has ended, while a connection may go on and carry others. */
function leaveConnections({ connections }: Session): void {
  for (const [{ closed }, lose] of connections) closed.removeEventListener("abort", lose);
  connections.clear();
}

function tokenInvalid(): BrokerError {
  return new BrokerError(
    ErrorReason.TOKEN_INVALID,
    "the token is of no live session (it ended, the broker restarted, or another session took over): Register again",
  );
}

export function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
