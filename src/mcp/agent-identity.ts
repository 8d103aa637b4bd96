import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import type { RegisterResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, type Peer } from "../../gen/peerline/v1/peer_pb.js";
import { Identity } from "../client/identity.js";
import type { Config } from "../endpoint/config.js";
import { openHome } from "../endpoint/home.js";
import { createSecret, listSecrets, removeSecret, type PeerSecret } from "../endpoint/secrets.js";
import { explainName } from "./name-note.js";
import { AgentProfile, type Client } from "./profile.js";

/** Which peer this process is: one of those whose secrets are in the home. */
export class AgentIdentity extends Identity<PeerSecret> {
  /** What the agent says of itself. */
  readonly profile: AgentProfile;
  readonly #config: Config;
  #note: string | undefined;

  constructor(options: {
    config: Config;
    client: Client;
    cwd: string | undefined;
    conversationId: string | undefined;
  }) {
    const { config, conversationId } = options;
    const profile = new AgentProfile(options.client, options.cwd);
    super({
      keyring: {
        list: async () => listSecrets(openHome(config.home)),
        create: async () => createSecret(openHome(config.home)),
        remove: removeSecret,
      },
      introduce: async () => {
        const described = await profile.describe();
        const { name = "", reserved = "" } = config.name ?? {};
        const baseName = name || reserved || basename(described.root);
        return { name, baseName, kind: PeerKind.AGENT, profile: described };
      },
      instanceId: randomUUID(),
      conversationId,
    });
    this.profile = profile;
    this.#config = config;
  }

  /** What the agent has to know of its name and was not told yet; telling it once is enough. */
  takeNote(): string | undefined {
    const note = this.#note;
    this.#note = undefined;
    return note;
  }

  protected override moved(
    peer: Peer,
    before: string | undefined,
    { boundPeer, provisional }: RegisterResponse,
  ): void {
    this.#note = explainName({
      now: peer.name,
      before,
      lost: boundPeer?.name,
      asked: this.#config.name,
      inherited: provisional ? Number(peer.waitingMessages) : 0,
    });
  }
}
