import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { Closing_Reason } from "../../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import type { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../../clock.js";
import type { Connection } from "../../rpc/server.js";
import { BrokerError } from "../broker-error.js";
import type { Directory, PeerRecord } from "./directory.js";
import { presenceGraceMs } from "../limits.js";
import type { StoredMachine } from "../store/peers.js";

/** One live attachment of a client to a peer. At most one per peer; a newer one replaces it. */
export interface Session {
  readonly token: string;
  readonly peer: PeerRecord;
  /** The machine that opened it; empty for one on the broker's own machine. */
  readonly machineId: string;
  readonly instanceId: string;
  readonly epoch: number;
  /** The host's conversation, as it was named last; empty while there is none. */
  conversationId: string;
  /**
   * The peer is known to be the caller's: it came by its secret or its conversation, or has used the peer.
   * Until then the conversation that the peer is bound to takes it back.
   */
  isSure: boolean;
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
 * The live sessions, and what others see of them.
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
  readonly #byToken = new Map<string, Session>();
  readonly #byPeer = new Map<string, Session>();
  readonly #graces = new Map<PeerRecord, Disposable>();

  constructor(options: { directory: Directory; clock: Clock; operatorToken: string }) {
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#operatorHash = sha256(options.operatorToken);
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
    carry(session, connection);
    return { kind: "session", session };
  }

  /** The session whose token is good, live or not. */
  ofPeer(peer: PeerRecord): Session | undefined {
    return this.#byPeer.get(peer.stored.peerId);
  }

  /** The session that keeps others from taking this peer. */
  liveOf(peer: PeerRecord): Session | undefined {
    const session = this.ofPeer(peer);
    return session !== undefined && session.connections.size > 0 ? session : undefined;
  }

  /** Opens a session. The one that the peer had before, and its stream, end as superseded. */
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
    const before = this.ofPeer(peer);
    if (before !== undefined) {
      this.close(before, Closing_Reason.SUPERSEDED, "another session of this peer took over");
    }
    const session: Session = {
      ...facts,
      token: randomBytes(32).toString("base64url"),
      epoch: peer.stored.epoch,
      deliveryCount: 0,
      stream: undefined,
      connections: new Map(),
      ended: new AbortController(),
    };
    this.#byToken.set(sha256(session.token).toString("base64"), session);
    this.#byPeer.set(peer.stored.peerId, session);
    carry(session, connection);
    return session;
  }

  /** Ends a session: its stream is closed and its token is void. */
  close(session: Session, reason: Closing_Reason, detail: string): void {
    this.#byToken.delete(sha256(session.token).toString("base64"));
    if (this.#byPeer.get(session.peer.stored.peerId) === session) {
      this.#byPeer.delete(session.peer.stored.peerId);
    }
    session.stream?.end(reason, detail);
    session.ended.abort(tokenInvalid());
    leaveConnections(session);
  }

  /** The peer is no more: its session, if there is one, ends. */
  closeOf(peer: PeerRecord, detail: string): void {
    const session = this.ofPeer(peer);
    if (session !== undefined) this.close(session, Closing_Reason.UNREGISTERED, detail);
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
    this.#endGrace(session.peer);
    this.#directory.setPresence(session.peer, { online: true, reach });
  }

  /** The stream is closed. Others see the peer leave after the grace, at once when `now`. */
  detach(session: Session, stream: SessionStream, now: boolean): void {
    if (session.stream !== stream) return;
    session.stream = undefined;
    const { peer } = session;
    this.#endGrace(peer);
    const leave = (): void => {
      this.#graces.delete(peer);
      if (this.#byPeer.get(peer.stored.peerId)?.stream === undefined)
        this.#directory.setPresence(peer, { online: false });
    };
    if (now) leave();
    else this.#graces.set(peer, this.#clock.after(presenceGraceMs, leave));
  }

  /** Ends every stream; tokens stay until the process ends. */
  endStreams(reason: Closing_Reason, detail: string): void {
    for (const session of this.#byToken.values()) session.stream?.end(reason, detail);
    for (const peer of this.#graces.keys()) this.#endGrace(peer);
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

/** From now on, and until it closes, the connection keeps the session live. */
export function carry(session: Session, connection: Connection): void {
  const { peer, connections, ended } = session;
  const { closed } = connection;
  if (closed.aborted || ended.signal.aborted || connections.has(connection)) return;
  peer.connections.add(connection);
  const lose = (): void => void connections.delete(connection);
  connections.set(connection, lose);
  closed.addEventListener("abort", lose, { once: true });
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
