import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import type { RegisterResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, type Peer } from "../../gen/peerline/v1/peer_pb.js";
import type { Config } from "../endpoint/config.js";
import type { BrokerConnection } from "../endpoint/connect.js";
import { openHome } from "../endpoint/home.js";
import { createSecret, listSecrets, removeSecret, type PeerSecret } from "../endpoint/secrets.js";
import { Code, RpcError } from "../rpc/error.js";
import { peersToSearch, registerTimeoutMs } from "./limits.js";
import { explainName } from "./name-note.js";
import { AgentProfile, type Client } from "./profile.js";

type BrokerClient = BrokerConnection["client"];

/**
 * Which peer this process is.
 *
 * Before the first registration it is *open*: the broker chooses among the peers of this home, and
 * where none is free a secret is made for a new one. Then it is *settled* on the peer of one secret,
 * and returns as that. If another instance has that peer when it returns, it is open again. When the
 * host goes on to another conversation, it goes with it, to whichever peer that one has.
 */
export class Identity {
  readonly #config: Config;
  /** What the agent says of itself. */
  readonly profile: AgentProfile;
  readonly #instanceId = randomUUID();
  #conversationId: string | undefined;
  #peer: Peer | undefined;
  #note: string | undefined;
  #own: PeerSecret | undefined;
  /** Created for a new peer; kept until the broker has said whether there is one. */
  #created: PeerSecret | undefined;
  /** The peer that the broker created for this process. */
  #made: { secret: PeerSecret; peerId: string | undefined } | undefined;

  constructor(options: {
    config: Config;
    client: Client;
    cwd: string | undefined;
    conversationId: string | undefined;
  }) {
    this.#config = options.config;
    this.profile = new AgentProfile(options.client, options.cwd);
    this.#conversationId = options.conversationId;
  }

  get conversationId(): string | undefined {
    return this.#conversationId;
  }

  /** The peer as last heard of; undefined before the first registration. */
  get peer(): Peer | undefined {
    return this.#peer;
  }

  /** The peer as the broker has just said it is. */
  update(peer: Peer): void {
    this.#peer = peer;
  }

  /** What the agent has to know of its name and was not told yet; telling it once is enough. */
  takeNote(): string | undefined {
    const note = this.#note;
    this.#note = undefined;
    return note;
  }

  /** Registers as the settled peer, or as whichever the broker chooses. */
  async register(client: BrokerClient, signal: AbortSignal): Promise<RegisterResponse> {
    if (this.#own !== undefined) {
      try {
        const response = await this.#registerWith(client, this.#own, [], signal);
        this.#become(response.peer, this.#peer?.name);
        await this.#removeAbandoned(client, response, signal);
        return response;
      } catch (error) {
        // Another instance has the peer: its mail is that one's now.
        if (!isRefused(error, Code.AlreadyExists)) throw error;
        this.#own = undefined;
      }
    }
    const response = await this.#choose(client, signal);
    this.#become(response.peer, this.#peer?.name);
    return response;
  }

  /**
   * Tells the broker which conversation the host is in now. That binds the peer to it, or moves the session
   * to the peer that the conversation has, or to a new one where another agent has that peer now.
   */
  async bind(
    conversationId: string,
    client: BrokerClient,
    signal: AbortSignal,
  ): Promise<RegisterResponse> {
    const home = openHome(this.#config.home);
    const keyring = await listSecrets(home);
    if (this.#own !== undefined) keyring.unshift(this.#own);
    let response: RegisterResponse;
    try {
      response = await this.#registerWith(client, this.#own, keyring, signal, conversationId);
    } catch (error) {
      if (!isRefused(error, Code.NotFound)) throw error;
      response = await this.#registerAnew(client, keyring, signal, conversationId);
    }
    this.#conversationId = conversationId;
    // A conversation that comes back to its peer knows that name; one that never called was told none.
    this.#become(response.peer, response.created ? this.#peer?.name : undefined);
    return response;
  }

  #become(peer: Peer | undefined, before: string | undefined): void {
    if (peer !== undefined && peer.peerId !== this.#peer?.peerId) {
      this.#note = explainName({ now: peer.name, before, asked: this.#config.name });
    }
    this.#peer = peer;
  }

  async #choose(client: BrokerClient, signal: AbortSignal): Promise<RegisterResponse> {
    const home = openHome(this.#config.home);
    const keyring = await listSecrets(home);
    if (this.#created === undefined && keyring.length > 0) {
      try {
        return await this.#registerWith(client, undefined, keyring, signal);
      } catch (error) {
        if (!isRefused(error, Code.NotFound)) throw error;
      }
    }
    return this.#registerAnew(client, keyring, signal);
  }

  /** Registers with a secret that was made for a new peer; it goes again where there was no need of one. */
  async #registerAnew(
    client: BrokerClient,
    keyring: readonly PeerSecret[],
    signal: AbortSignal,
    conversationId = this.#conversationId ?? "",
  ): Promise<RegisterResponse> {
    this.#created ??= await createSecret(openHome(this.#config.home));
    const created = this.#created;
    const response = await this.#registerWith(client, created, keyring, signal, conversationId);
    if (this.#own !== created) await removeSecret(created);
    else if (response.created) this.#made = { secret: created, peerId: response.peer?.peerId };
    this.#created = undefined;
    return response;
  }

  /** The peer that this process made is gone if it was left before anyone wrote to it. */
  async #removeAbandoned(
    client: BrokerClient,
    { sessionToken }: RegisterResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const made = this.#made;
    if (made === undefined || made.secret === this.#own) return;
    this.#made = undefined;
    const headers = { authorization: `Bearer ${sessionToken}` };
    const page = await client.listPeers({ pageSize: peersToSearch }, { headers, signal });
    const isListed = page.peers.some(({ peerId }) => peerId === made.peerId);
    if (!isListed && page.nextPageToken === "") await removeSecret(made.secret);
  }

  async #registerWith(
    client: BrokerClient,
    secret: PeerSecret | undefined,
    keyring: readonly PeerSecret[],
    signal: AbortSignal,
    conversationId = this.#conversationId ?? "",
  ): Promise<RegisterResponse> {
    const { name = "", reserved = "" } = this.#config.name ?? {};
    const profile = await this.profile.describe();
    const response = await client.register(
      {
        secret: secret?.secret ?? "",
        keyring: keyring.map((other) => other.secret),
        instanceId: this.#instanceId,
        conversationId,
        name,
        baseName: name || reserved || basename(profile.root),
        kind: PeerKind.AGENT,
        profile,
      },
      { signal, timeoutMs: registerTimeoutMs },
    );
    this.#own = response.secretIndex === 0 ? secret : keyring[response.secretIndex - 1];
    return response;
  }
}

function isRefused(error: unknown, code: Code): boolean {
  return error instanceof RpcError && error.code === code;
}
