import { v7 as uuidv7 } from "uuid";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../../clock.js";
import { machineHeader } from "../../contract/machines.js";
import type { Admission, ClientConnection, HandlerContext } from "../../rpc/server.js";
import { BrokerError, fromStoreError, translateStoreErrors } from "../broker-error.js";
import type { BrokerLog } from "../core.js";
import {
  guessingToldMs,
  maxCallsOfMachine,
  maxConflicts,
  maxConnectionsOfMachine,
  maxMachines,
  maxRevokedMachines,
  maxStreamsOfMachine,
  movedAgainMs,
  revokedLingerMs,
  usedAgainMs,
} from "../limits.js";
import { automaticName, numberedName } from "../peers/names.js";
import { sha256 } from "../peers/sessions.js";
import type { EnrolmentUse, StoredMachine } from "../store/peers.js";
import { StoreError, type Store } from "../store/store.js";
import { Guesses, networkOf } from "./guesses.js";

interface Parts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: BrokerLog;
  /** Hosts of the peers that come by the broker's socket, its own first: no other machine gets such a name. */
  readonly localHosts: () => Iterable<string>;
  /** Ends the sessions of a machine that another broker lets in no more. */
  readonly endSessions: (machineId: string) => void;
}

/** A machine, let in or revoked. */
export interface Machine {
  stored: StoredMachine;
  /** What the store is known to have of it. */
  kept: StoredMachine;
  /** Resolves when it has been written as it is now; undefined where no write waits to begin. */
  nextWrite: Promise<void> | undefined;
  /** The write that began last. */
  lastWrite: Promise<void>;
  /** The open connections over which it called, each with what to do when it closes. */
  readonly connections: Map<ClientConnection, () => void>;
  /** How many of its calls are open, and how many of them are streams. */
  calls: number;
  streams: number;
}

/** What a machine asks to be let in with. */
export interface Newcomer {
  readonly tokenHash: string;
  readonly credentialHash: string;
  /** Its host name. */
  readonly host: string;
  readonly address: string;
}

/** Why a token, or a credential that was revoked, lets nobody in. */
export type Refusal = Exclude<EnrolmentUse["state"], "taken"> | "revoked";

/**
 * The machines that may call over TLS. Each proves who it is with each call, by a credential of which the
 * broker keeps the SHA-256. That a machine is let in is durable before it counts. That it is revoked counts at
 * once, and is durable before it is answered. Several brokers may do so over one store. What one of them changes the
 * others hear of.
 */
export class Machines {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: BrokerLog;
  readonly #localHosts: () => Iterable<string>;
  readonly #endSessions: (machineId: string) => void;
  readonly #guesses: Guesses;
  readonly #byId = new Map<string, Machine>();
  readonly #byCredential = new Map<string, Machine>();
  #toldGuessingMs = -Infinity;
  readonly #callers = new WeakMap<HandlerContext, Machine>();
  /** One machine is let in after the other, so that each has a name and a place of its own. */
  #lettingIn: Promise<unknown> = Promise.resolve();

  constructor({ store, clock, log, localHosts, endSessions }: Parts) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#localHosts = localHosts;
    this.#endSessions = endSessions;
    this.#guesses = new Guesses(clock);
  }

  /** The store has this record: this broker wrote it, or another. */
  heard(stored: StoredMachine): void {
    const machine = this.#byId.get(stored.machineId);
    if (machine === undefined) this.#letInByStore(stored);
    else if (stored.revision > machine.kept.revision) this.#replace(machine, stored);
  }

  /** The store has no such record any more. */
  heardRemoved(machineId: string): void {
    const machine = this.#byId.get(machineId);
    if (machine !== undefined) this.#drop(machine);
  }

  /** Another write than that of this broker counts beside what is not written here yet. */
  #replace(machine: Machine, kept: StoredMachine): void {
    const { stored } = machine;
    const { lastUseMs, lastUseAddress } = stored.lastUseMs > kept.lastUseMs ? stored : kept;
    const revokeTimeMs = stored.revokeTimeMs || kept.revokeTimeMs;
    machine.kept = kept;
    machine.stored = { ...kept, lastUseMs, lastUseAddress, revokeTimeMs };
    if (isLetIn(stored) && !isLetIn(kept)) this.#end(machine);
  }

  /**
   * Whether a connection from this address may begin: not where too many came to nothing, unless a machine
   * that is let in has the address as well.
   */
  begins(address: string): boolean {
    if (this.#guesses.begin(address)) return true;
    this.#tellGuessing(address);
    return this.#isOfMachine(address);
  }

  /** A connection from this address has proved who it is. */
  proved(address: string): void {
    this.#guesses.giveBack(address);
  }

  /**
   * Finds the machine that calls over TLS. MACHINE_REQUIRED or MACHINE_UNKNOWN where it is none, and
   * LIMIT_REACHED where it has too much open.
   */
  admit(context: HandlerContext): Admission {
    const credential = context.header(machineHeader);
    const machine = credential === undefined ? undefined : this.#find(hashOf(credential));
    if (machine === undefined) throw this.#refuse(context, credential !== undefined);
    requireRoomOf(machine, context);
    this.#callers.set(context, machine);
    this.#noteUse(machine, context.connection);
    return open(machine, context.isStream);
  }

  /** The machine that calls; undefined for a caller on the broker's socket. */
  callerOf(context: HandlerContext): Machine | undefined {
    return this.#callers.get(context);
  }

  /** Counts what somebody tried in vain, against the address that it came from. */
  noteGuess(connection: ClientConnection): void {
    this.#guesses.note(connection);
  }

  list(): Machine[] {
    return [...this.#byId.values()].toSorted(
      ({ stored: a }, { stored: b }) =>
        b.createTimeMs - a.createTimeMs || (a.name < b.name ? -1 : 1),
    );
  }

  /** The machine of this name that is let in, else the one that was revoked. */
  named(name: string): Machine | undefined {
    return [...this.#byId.values()].find(({ stored }) => stored.name === name);
  }

  /** The machine that has this credential, let in or not. */
  ofCredential(credentialHash: string): Machine | undefined {
    return this.#byCredential.get(credentialHash);
  }

  /**
   * Lets a machine in, if its token allows it. A revoked one whose name it gets is forgotten. LIMIT_REACHED
   * where as many are let in as may be.
   */
  letIn(newcomer: Newcomer): Promise<Machine | Refusal> {
    const entering = this.#lettingIn.then(() => this.#letIn(newcomer));
    this.#lettingIn = entering.catch(() => {});
    return entering;
  }

  async #letIn({ tokenHash, credentialHash, host, address }: Newcomer): Promise<Machine | Refusal> {
    const known = this.#find(credentialHash);
    if (known !== undefined) return known;
    this.#requireRoom();
    const use = await this.#enrol(tokenHash, credentialHash, host, address);
    if (typeof use === "string") return use;
    if (use.state !== "taken") return use.state;
    const { machine } = use;
    const scope = MachineScope[machine.scope];
    this.#log.info({ machine: machine.name, scope, address }, "machine let in");
    return this.#byId.get(machine.machineId) ?? this.#letInByStore(machine);
  }

  /** Under the first name that no other broker gives away at the same moment. */
  async #enrol(
    tokenHash: string,
    credentialHash: string,
    host: string,
    address: string,
  ): Promise<EnrolmentUse | "revoked"> {
    const nowMs = this.#clock.now();
    const taken = new Set<string>();
    for (;;) {
      const newcomer = {
        machineId: uuidv7(),
        name: this.#freeName(host, taken),
        credentialHash,
        createTimeMs: nowMs,
        lastUseMs: nowMs,
        lastUseAddress: address,
      };
      try {
        return await this.#store.peers.enrol(tokenHash, newcomer);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        // A machine that another broker has just revoked.
        if (error.code === "SECRET_TAKEN") return "revoked";
        if (error.code !== "NAME_TAKEN" || taken.size >= maxConflicts) throw fromStoreError(error);
        taken.add(newcomer.name);
      }
    }
  }

  /** A revoked machine that had its name is no more. */
  #letInByStore(stored: StoredMachine): Machine {
    const namesake = this.named(stored.name);
    if (namesake !== undefined) this.#drop(namesake);
    return this.#add(stored);
  }

  /** Makes sure that one machine more may be let in. */
  #requireRoom(): void {
    const letIn = this.list().filter(({ kept }) => isLetIn(kept)).length;
    if (letIn < maxMachines) return;
    throw new BrokerError(
      ErrorReason.LIMIT_REACHED,
      `${maxMachines} machines are let in: revoke some first (\`peerline machines revoke NAME\`)`,
      { metadata: { limit: "machines", maximum: String(maxMachines) } },
    );
  }

  /**
   * Lets a machine in no more. From the call on it is refused, and what it has open ends, before anything
   * waits. Where the store then fails, it stays refused until the broker ends, and a repeat tries again to
   * store it.
   *
   * @param asking the connection over which this was asked for: it ends after the answer.
   */
  async revoke(machine: Machine, asking?: ClientConnection): Promise<void> {
    if (isLetIn(machine.stored)) {
      machine.stored = { ...machine.stored, revokeTimeMs: this.#clock.now() };
      this.#log.info({ machine: machine.stored.name }, "machine revoked");
    }
    const isAsking = asking !== undefined && machine.connections.has(asking);
    this.#endConnections(machine, asking);
    try {
      if (isLetIn(machine.kept)) await this.#write(machine);
      const revoked = this.list().filter(({ kept }) => !isLetIn(kept));
      for (const oldest of revoked.slice(maxRevokedMachines)) await this.#forget(oldest);
    } finally {
      if (isAsking) this.#closeSoon(asking);
    }
  }

  /** Another broker lets it in no more: what it has open here ends. */
  #end(machine: Machine): void {
    this.#log.info({ machine: machine.stored.name }, "machine revoked by another broker");
    this.#endConnections(machine);
    this.#endSessions(machine.stored.machineId);
  }

  /** @param except ends otherwise */
  #endConnections({ connections }: Machine, except?: ClientConnection): void {
    for (const [connection, lose] of connections) {
      connection.closed.removeEventListener("abort", lose);
      if (connection !== except) this.#closeSoon(connection);
    }
    connections.clear();
  }

  /** So that the answers to its calls can still leave. */
  #closeSoon(connection: ClientConnection): void {
    this.#clock.after(revokedLingerMs, () => connection.close());
  }

  /** Once a minute at most: whoever guesses fills no log. */
  #tellGuessing(address: string): void {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#toldGuessingMs < guessingToldMs) return;
    this.#toldGuessingMs = nowMs;
    this.#log.warn({ address }, "too many connections from this address prove nothing, or wrongly");
  }

  #isOfMachine(address: string): boolean {
    const network = networkOf(address);
    return [...this.#byId.values()].some(
      ({ stored, connections }) =>
        isLetIn(stored) &&
        (networkOf(stored.lastUseAddress) === network ||
          [...connections.keys()].some((one) => networkOf(one.address) === network)),
    );
  }

  #find(credentialHash: string): Machine | undefined {
    const machine = this.#byCredential.get(credentialHash);
    return machine !== undefined && isLetIn(machine.stored) ? machine : undefined;
  }

  #refuse({ connection }: HandlerContext, isGuess: boolean): BrokerError {
    this.noteGuess(connection);
    return isGuess
      ? unknownMachine()
      : new BrokerError(
          ErrorReason.MACHINE_REQUIRED,
          `this call needs metadata \`${machineHeader}: CREDENTIAL\`: a machine gets one by \`peerline join\``,
        );
  }

  #noteUse(machine: Machine, connection: ClientConnection): void {
    const { connections, stored } = machine;
    if (!connections.has(connection) && !connection.closed.aborted) {
      const lose = (): void => void connections.delete(connection);
      connections.set(connection, lose);
      connection.closed.addEventListener("abort", lose, { once: true });
    }
    const nowMs = this.#clock.now();
    const { address } = connection;
    const againMs = stored.lastUseAddress === address ? usedAgainMs : movedAgainMs;
    if (Math.abs(nowMs - stored.lastUseMs) < againMs) return;
    // At once, so that the calls that come until it is stored store it no second time.
    machine.stored = { ...stored, lastUseMs: nowMs, lastUseAddress: address };
    this.#write(machine).catch((error: unknown) => {
      this.#log.warn({ err: error, machine: stored.name }, "could not note a machine's last use");
    });
  }

  #freeName(host: string, taken: ReadonlySet<string>): string {
    // A machine is no agent: what is reserved for people and programs is no name of it either.
    const baseName = shortHost(host);
    const known = new Set(this.list().map(({ stored }) => stored.name));
    // A peer of a known machine has that machine's name for its host.
    const local = new Set([...this.#localHosts()].map(shortHost).filter((one) => !known.has(one)));
    for (let number = 1; ; number++) {
      const name = numberedName(baseName, number);
      const owner = this.named(name);
      if (local.has(name) || taken.has(name)) continue;
      // In the store as well.
      if (owner === undefined || !isLetIn(owner.kept)) return name;
    }
  }

  #add(stored: StoredMachine): Machine {
    const machine: Machine = {
      stored,
      kept: stored,
      nextWrite: undefined,
      lastWrite: Promise.resolve(),
      connections: new Map(),
      calls: 0,
      streams: 0,
    };
    this.#byId.set(stored.machineId, machine);
    this.#byCredential.set(stored.credentialHash, machine);
    return machine;
  }

  /**
   * Stores what a machine is. At most one write of a machine is under way, and one waits for its end: that one
   * writes whatever has changed by then.
   */
  #write(machine: Machine): Promise<void> {
    machine.nextWrite ??= machine.lastWrite.then(() => {
      machine.nextWrite = undefined;
      const put = this.#put(machine);
      machine.lastWrite = put.catch(() => {});
      return put;
    });
    return machine.nextWrite;
  }

  /** Where another broker was first, again to what that one wrote. */
  async #put(machine: Machine): Promise<void> {
    for (let tries = 1; this.#byId.get(machine.stored.machineId) === machine; tries++) {
      const next = { ...machine.stored, revision: machine.kept.revision + 1 };
      try {
        await translateStoreErrors(() => this.#store.peers.putMachine(next));
      } catch (error) {
        const isLate = error instanceof StoreError && error.code === "CONFLICT";
        if (isLate && tries < maxConflicts) continue;
        throw error;
      }
      // The store may have told of it by now, and of what came after.
      if (machine.kept.revision < next.revision) machine.kept = next;
      return;
    }
  }

  async #forget(machine: Machine): Promise<void> {
    await translateStoreErrors(() => this.#store.peers.removeMachine(machine.stored.machineId));
    this.#drop(machine);
  }

  #drop(machine: Machine): void {
    const { machineId, credentialHash } = machine.stored;
    this.#byId.delete(machineId);
    if (this.#byCredential.get(credentialHash) === machine)
      this.#byCredential.delete(credentialHash);
    if (!isLetIn(machine.stored)) return;
    // That it was revoked is not told apart.
    machine.stored = { ...machine.stored, revokeTimeMs: this.#clock.now() };
    this.#end(machine);
  }
}

/** The first part of a host's name, in the form of a name. */
function shortHost(host: string): string {
  return automaticName(host.split(".")[0] ?? "", PeerKind.PROGRAM);
}

/** One machine leaves room for the others, and for the agents on the broker's own. */
function requireRoomOf(machine: Machine, { connection, isStream }: HandlerContext): void {
  const { connections, calls, streams } = machine;
  if (connections.size >= maxConnectionsOfMachine && !connections.has(connection)) {
    throw tooMuchOpen("connections", maxConnectionsOfMachine);
  }
  if (calls >= maxCallsOfMachine) throw tooMuchOpen("calls", maxCallsOfMachine);
  if (isStream && streams >= maxStreamsOfMachine) throw tooMuchOpen("streams", maxStreamsOfMachine);
}

function tooMuchOpen(what: string, maximum: number): BrokerError {
  return new BrokerError(
    ErrorReason.LIMIT_REACHED,
    `this machine has ${maximum} ${what} open with the broker: end one, or try again when another has ended`,
    { metadata: { limit: `${what}_of_machine`, maximum: String(maximum) } },
  );
}

function open(machine: Machine, isStream: boolean): Admission {
  const streams = isStream ? 1 : 0;
  machine.calls++;
  machine.streams += streams;
  return {
    [Symbol.dispose]: () => {
      machine.calls--;
      machine.streams -= streams;
    },
  };
}

/**
 * Asked again where a call has waited: MACHINE_UNKNOWN where its machine was revoked meanwhile.
 *
 * @param machine that calls; undefined on the broker's own
 */
export function requireLetIn(machine: Machine | undefined): void {
  if (machine !== undefined && !isLetIn(machine.stored)) throw unknownMachine();
}

function unknownMachine(): BrokerError {
  return new BrokerError(
    ErrorReason.MACHINE_UNKNOWN,
    "the credential is of no machine that is let in (it may have been revoked): join again with a new line of `peerline share`",
  );
}

export function isLetIn({ revokeTimeMs }: StoredMachine): boolean {
  return revokeTimeMs === 0;
}

/** As a credential or a token is kept. */
export function hashOf(secret: string): string {
  return sha256(secret).toString("hex");
}
