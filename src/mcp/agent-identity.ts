import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import type { RegisterResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, type Peer } from "../../gen/peerline/v1/peer_pb.js";
import { Identity } from "../client/identity.js";
import { visibleLine } from "../contract/peer-text.js";
import type { Config } from "../endpoint/config.js";
import { openHome } from "../endpoint/home.js";
import { createSecret, listSecrets, removeSecret, type PeerSecret } from "../endpoint/secrets.js";
import { maxShownCharacters } from "./limits.js";
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

/** The name that an agent has now, and what it may take itself for. */
export interface Names {
  readonly now: string;
  /** The name of the peer that the agent was until now. */
  readonly before: string | undefined;
  /** The name of the conversation's former peer, which another conversation has now. */
  readonly lost: string | undefined;
  /** What PEERLINE_NAME asks for. */
  readonly asked: Config["name"];
  /** Messages that were sent to the peer while it was somebody else's. */
  readonly inherited: number;
}

/** What an agent is told when its name or its mail is not what it or others expect. */
export function explainName(names: Names): string | undefined {
  return [explainIdentity(names), explainMail(names)].filter(Boolean).join("; ") || undefined;
}

/** What an agent is told of mail that it inherits with a name. A name that the user asked for needs no word of it. */
function explainMail({ now, asked, inherited }: Names): string | undefined {
  if (inherited === 0 || asked?.name === now) return undefined;
  const mail =
    inherited === 1 ? "the message that waits was" : `the ${inherited} messages that wait were`;
  return `you go on as ${now}, which another conversation was before: ${mail} sent to it before you came`;
}

function explainIdentity({ now, before, lost, asked }: Names): string | undefined {
  if (lost !== undefined) {
    return `you are ${now}: ${lost}, which this conversation was before, is another's now`;
  }
  if (before === now) {
    return `your old peer is gone (its broker's home was removed, or the operator deleted it): you are a new peer, also named ${now}; mail to the old one is not yours`;
  }
  if (before !== undefined) return `you are ${now} now: ${before} is another agent from here on`;
  if (asked === undefined) return undefined;
  if (asked.problem !== undefined) {
    return `you are ${now}, since PEERLINE_NAME=${shown(asked.written)} ${asked.problem}`;
  }
  const { name, written } = asked;
  if (name === now) return explainSpelling("PEERLINE_NAME", written, now);
  const isNumbered = now.startsWith(`${name}-`) && /^\d+$/.test(now.slice(name.length + 1));
  if (isNumbered) return `you are ${now}: ${name} is another agent`;
  return `you are ${now}, as before in this conversation, though PEERLINE_NAME asks for ${name}`;
}

/** What an agent has to be told when its name is not spelt as it was asked for. */
export function explainSpelling(where: string, written: string, now: string): string | undefined {
  if (written === now) return undefined;
  return `you are ${now}: ${where} was ${JSON.stringify(shown(written))}, and names hold only a-z, 0-9, dot, underscore and hyphen`;
}

/** As much of what somebody wrote as helps to find it. */
function shown(written: string): string {
  const text = visibleLine(written);
  return text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text;
}
