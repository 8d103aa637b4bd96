import type { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import type { PeerKind, Profile, Reach } from "../../../gen/peerline/v1/peer_pb.js";

/**
 * Records: peers, the machines that were let in, and who has which peer's session. Each change compares the
 * record's revision, so that of two that change one record at once, here or in another broker, one is told.
 */
export interface PeerStore {
  /**
   * Tells every record as it stands, then every change, whoever made it, and the caller's own, too. A record may
   * be told again. Of one record what is older is never told after what is newer. Resolves once all that was
   * stored by then was told.
   */
  watch(listener: PeerListener): Promise<Disposable>;

  /**
   * Adds a peer. NAME_TAKEN or SECRET_TAKEN when another has its name or secret hash: watchers have been told
   * of that one by then. Done again before the peer was changed it resolves; after that it is CONFLICT.
   */
  create(peer: StoredPeer): Promise<void>;

  /**
   * Replaces a peer's record if its stored revision is `peer.revision - 1`. NAME_TAKEN; CONFLICT for
   * another revision; NOT_FOUND. Watchers have been told of what it met by then.
   */
  update(peer: StoredPeer): Promise<void>;

  /**
   * Removes a peer that holds no open mail and neither sent nor received any message that is still
   * kept. Resolves to false, with nothing changed, where it does.
   */
  remove(peerId: string): Promise<boolean>;

  /**
   * Removes a peer that holds no open mail; what it sent and received stays. Resolves to false, with
   * nothing changed, where it does hold some. Of a peer that is not there it resolves to true.
   */
  forget(peerId: string): Promise<boolean>;

  /**
   * Says what others are to know of the session of a peer; undefined: there is none any more. It is not kept: it
   * ends with the process that said it. Of several for one peer the one of the greatest epoch stands, and what
   * is said late of an older session changes nothing.
   *
   * It resolves at once and waits for nobody. Other brokers hear of it within a second, where the engine can be
   * reached, or else of the newest as soon as it can. A broker that ends without a word is gone some seconds later.
   */
  announce(peerId: string, presence: Presence | undefined): Promise<void>;

  /**
   * Writes a machine's record: a new one at revision 1, otherwise in place of the revision before. Done
   * again with the same record it resolves. NAME_TAKEN or SECRET_TAKEN when another has its name or
   * credential hash; CONFLICT for another revision.
   */
  putMachine(machine: StoredMachine): Promise<void>;

  /** Removes a machine's record. Of one that is not there it resolves, too. */
  removeMachine(machineId: string): Promise<void>;

  /**
   * Keeps a token to enrol with, and forgets those whose time was over for a day. Resolves to false, with
   * nothing kept, where `maximum` are kept already.
   */
  createEnrolment(enrolment: StoredEnrolment, maximum: number): Promise<boolean>;

  /** The tokens with which machines may still enrol, by the store's clock, the first to end first. */
  listEnrolments(): Promise<StoredEnrolment[]>;

  /** Forgets the tokens whose uses are not all taken. Resolves to how many of them `listEnrolments` had. */
  revokeEnrolments(): Promise<number>;

  /**
   * Takes one use of the token of this hash, by the store's clock, and keeps the machine with the token's
   * scope, at revision 1: both or neither. A revoked machine of the same name is removed in the same step;
   * NAME_TAKEN where one that is let in has it. Where a machine that is let in has the credential, that one
   * is the result, and nothing is taken: so a repeat changes nothing. SECRET_TAKEN where a revoked one has it.
   */
  enrol(tokenHash: string, newcomer: StoredNewcomer): Promise<EnrolmentUse>;
}

/** Hears of records. It is called in a turn of its own or inside a call of the store, and throws nothing. */
export interface PeerListener {
  peer(peer: StoredPeer): void;
  peerRemoved(peerId: string): void;
  /** It takes the place of a revoked one of its name, whose end is not told apart. */
  machine(machine: StoredMachine): void;
  machineRemoved(machineId: string): void;
  presence(peerId: string, presence: Presence | undefined): void;
}

/** What others are to know of a session. */
export interface Presence {
  /** The broker that has it, as GetServerInfo names it. */
  readonly brokerId: string;
  /** The peer's epoch, as the session's opening wrote it: a greater one ends this session. */
  readonly epoch: number;
  readonly instanceId: string;
  readonly conversationId: string;
  /** The peer is its own; else it took one that was free, and has not used it. */
  readonly isSure: boolean;
  /** A connection keeps others from taking the peer. */
  readonly isLive: boolean;
  readonly online: boolean;
  readonly reach: Reach;
}

export interface StoredPeer {
  readonly peerId: string;
  readonly name: string;
  readonly kind: PeerKind;
  readonly profile: Profile;
  readonly createTimeMs: number;
  readonly lastSeenMs: number;
  /** SHA-256 of the peer's secret, lower-case hex. */
  readonly secretHash: string;
  /** The name that the peer's first name was derived from, and which of its kind it was (1, 2, …). */
  readonly baseName: string;
  readonly number: number;
  /** Of the newest session; 0 before the first. */
  readonly epoch: number;
  /** The instance whose session was live when this record was written; empty when none was. */
  readonly instanceId: string;
  /** Names that it had before, and until when; newest last; bounded by the core. */
  readonly formerNames: readonly { name: string; untilMs: number }[];
  /** Until when it may not send; 0 while it may, `Number.MAX_SAFE_INTEGER` without an end. */
  readonly mutedUntilMs: number;
  /** Conversations that the peer was bound to, newest last; bounded by the core. */
  readonly conversations: readonly { id: string; boundAtMs: number }[];
  /** 1 at creation, then one more with each update. */
  readonly revision: number;
}

/** Another computer, or another home, that was let in. */
export interface StoredMachine {
  readonly machineId: string;
  readonly name: string;
  readonly scope: MachineScope;
  /** SHA-256 of its credential, lower-case hex. */
  readonly credentialHash: string;
  readonly createTimeMs: number;
  readonly lastUseMs: number;
  /** The IP address from which it was used last. */
  readonly lastUseAddress: string;
  /** When it was revoked; 0 while it is let in. */
  readonly revokeTimeMs: number;
  /** 1 at first, then one more with each change. */
  readonly revision: number;
}

/** A machine that is to be let in. */
export type StoredNewcomer = Omit<StoredMachine, "scope" | "revokeTimeMs" | "revision">;

/** A token with which machines may enrol. */
export interface StoredEnrolment {
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenHash: string;
  /** What they may do. */
  readonly scope: MachineScope;
  readonly usesLeft: number;
  readonly expireTimeMs: number;
}

export type EnrolmentUse =
  | { readonly state: "taken"; readonly machine: StoredMachine }
  /** There is no such token, its uses are taken, or its time is over. */
  | { readonly state: "unknown" | "used" | "expired" };
