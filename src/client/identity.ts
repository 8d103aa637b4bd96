import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RegisterRequestSchema,
  RegisterResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Peer } from "../../gen/peerline/v1/peer_pb.js";
import { Code, hasCode } from "../rpc/error.js";
import type { BrokerClient } from "./broker-client.js";
import { registerTimeoutMs } from "./limits.js";

/** Proof of one peer's identity, as its owner keeps it. */
export interface KeptSecret {
  readonly secret: string;
}

/** Where the secrets are kept with which the client may register. */
export interface Keyring<Secret extends KeptSecret> {
  /** Those of peers that the client may return as. */
  list(): Promise<readonly Secret[]>;
  /** The secret for a new peer, kept before it is returned. */
  create(): Promise<Secret>;
  /** Forgets a secret that is no peer's. */
  remove(secret: Secret): Promise<void>;
}

/** What a client says of itself, at each registration. */
export type Introduction = Pick<
  MessageInitShape<typeof RegisterRequestSchema>,
  "name" | "baseName" | "kind" | "profile"
>;

export interface IdentityOptions<Secret extends KeptSecret> {
  readonly keyring: Keyring<Secret>;
  readonly introduce: () => Promise<Introduction>;
  /** Tells this client from others that have the same secrets; empty where all of them are to be one. */
  readonly instanceId: string;
  readonly conversationId?: string | undefined;
}

/**
 * Which peer a client is.
 *
 * Before the first registration it is *open*: the broker chooses among the peers of the keyring, and
 * where none is free a secret is made for a new one. Then it is *settled* on the peer of one secret,
 * and returns as that. If another instance has that peer when it returns, it is open again. When the
 * host goes on to another conversation, it goes with it, to whichever peer that one has.
 */
export class Identity<Secret extends KeptSecret = KeptSecret> {
  readonly #keyring: Keyring<Secret>;
  readonly #introduce: () => Promise<Introduction>;
  readonly #instanceId: string;
  #conversationId: string | undefined;
  #peer: Peer | undefined;
  #own: Secret | undefined;
  /** Created for a new peer; kept until the broker has said whether there is one. */
  #created: Secret | undefined;
  /** The peer that the broker created for this client. */
  #made: { secret: Secret; peerId: string | undefined } | undefined;

  constructor(options: IdentityOptions<Secret>) {
    this.#keyring = options.keyring;
    this.#introduce = options.introduce;
    this.#instanceId = options.instanceId;
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

  /** Registers as the settled peer, or as whichever the broker chooses. */
  async register(client: BrokerClient, signal: AbortSignal): Promise<RegisterResponse> {
    if (this.#own !== undefined) {
      try {
        const response = await this.#registerWith(client, this.#own, [], signal);
        this.#become(response, this.#peer?.name);
        await this.#removeAbandoned(client, response, signal);
        return response;
      } catch (error) {
        // Another instance has the peer: its mail is that one's now.
        if (!hasCode(error, Code.AlreadyExists)) throw error;
        this.#own = undefined;
      }
    }
    const response = await this.#choose(client, signal);
    this.#become(response, this.#peer?.name);
    return response;
  }

  /**
   * Tells the broker which conversation the host is in now. That binds the peer to it, or moves the session
   * to the peer that the conversation has, or to a new one where another client has that peer now.
   */
  async bind(
    conversationId: string,
    client: BrokerClient,
    signal: AbortSignal,
  ): Promise<RegisterResponse> {
    const keyring = [...(await this.#keyring.list())];
    if (this.#own !== undefined) keyring.unshift(this.#own);
    let response: RegisterResponse;
    try {
      response = await this.#registerWith(client, this.#own, keyring, signal, conversationId);
    } catch (error) {
      if (!hasCode(error, Code.NotFound)) throw error;
      response = await this.#registerAnew(client, keyring, signal, conversationId);
    }
    this.#conversationId = conversationId;
    // A conversation that comes back to its peer knows that name; one that never called was told none.
    this.#become(response, response.created ? this.#peer?.name : undefined);
    return response;
  }

  /**
   * The client is another peer than before, or one for the first time.
   *
   * @param before the name that it went by until now, as far as anybody was told
   */
  protected moved(_peer: Peer, _before: string | undefined, _registered: RegisterResponse): void {}

  #become(registered: RegisterResponse, before: string | undefined): void {
    const { peer } = registered;
    if (peer !== undefined && peer.peerId !== this.#peer?.peerId)
      this.moved(peer, before, registered);
    this.#peer = peer;
  }

  async #choose(client: BrokerClient, signal: AbortSignal): Promise<RegisterResponse> {
    const keyring = await this.#keyring.list();
    if (this.#created === undefined && keyring.length > 0) {
      try {
        return await this.#registerWith(client, undefined, keyring, signal);
      } catch (error) {
        if (!hasCode(error, Code.NotFound)) throw error;
      }
    }
    return this.#registerAnew(client, keyring, signal);
  }

  /** Registers with a secret that was made for a new peer. If no peer was created, the secret is removed again. */
  async #registerAnew(
    client: BrokerClient,
    keyring: readonly Secret[],
    signal: AbortSignal,
    conversationId = this.#conversationId ?? "",
  ): Promise<RegisterResponse> {
    this.#created ??= await this.#keyring.create();
    const created = this.#created;
    const response = await this.#registerWith(client, created, keyring, signal, conversationId);
    if (this.#own !== created) await this.#keyring.remove(created);
    else if (response.created) this.#made = { secret: created, peerId: response.peer?.peerId };
    this.#created = undefined;
    return response;
  }

  /** The peer that this client made is gone if it was left before anyone wrote to it. */
  async #removeAbandoned(
    client: BrokerClient,
    { sessionToken }: RegisterResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const made = this.#made;
    if (made === undefined || made.secret === this.#own) return;
    this.#made = undefined;
    const headers = { authorization: `Bearer ${sessionToken}` };
    try {
      await client.getPeer({ peer: made.peerId ?? "" }, { headers, signal });
    } catch (error) {
      if (hasCode(error, Code.NotFound)) await this.#keyring.remove(made.secret);
      else if (!hasCode(error, Code.Unimplemented)) throw error;
    }
  }

  async #registerWith(
    client: BrokerClient,
    secret: Secret | undefined,
    keyring: readonly Secret[],
    signal: AbortSignal,
    conversationId = this.#conversationId ?? "",
  ): Promise<RegisterResponse> {
    const response = await client.register(
      {
        ...(await this.#introduce()),
        secret: secret?.secret ?? "",
        keyring: keyring.map((other) => other.secret),
        instanceId: this.#instanceId,
        conversationId,
      },
      { signal, timeoutMs: registerTimeoutMs },
    );
    this.#own = response.secretIndex === 0 ? secret : keyring[response.secretIndex - 1];
    return response;
  }
}
