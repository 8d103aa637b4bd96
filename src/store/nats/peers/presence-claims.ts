import type { Presence } from "../../../broker/store/peers.js";

/**
 * Which brokers say that they have which peer's session. Of several for one peer the one of the greatest epoch
 * stands; the others ended with it. So what is said late of an older session changes nothing, and an older one
 * does not stand again when the newer one is taken back.
 */
export class PresenceClaims {
  readonly #changed: (peerId: string, presence: Presence | undefined) => void;
  readonly #claims = new Map<string, PeerClaims>();

  /** @param changed hears of what stands for a peer, each time that it is another */
  constructor(changed: (peerId: string, presence: Presence | undefined) => void) {
    this.#changed = changed;
  }

  /** All that stand. */
  *standing(): Iterable<[peerId: string, presence: Presence]> {
    for (const [peerId, { standing }] of this.#claims) {
      if (standing !== undefined) yield [peerId, standing];
    }
  }

  /** A broker's process says this of a peer; undefined: it has no session of it any more. */
  set(run: string, peerId: string, presence: Presence | undefined): void {
    let claims = this.#claims.get(peerId);
    if (claims === undefined) {
      if (presence === undefined) return;
      claims = { ofRun: new Map(), greatestEpoch: 0, standing: undefined };
      this.#claims.set(peerId, claims);
    }
    if (presence === undefined) claims.ofRun.delete(run);
    else claims.ofRun.set(run, presence);
    this.#settle(peerId, claims);
  }

  /** All that a broker's process says now. */
  replace(run: string, presences: ReadonlyMap<string, Presence>): void {
    for (const [peerId, claims] of this.#claims) {
      if (claims.ofRun.has(run) && !presences.has(peerId)) this.set(run, peerId, undefined);
    }
    for (const [peerId, presence] of presences) this.set(run, peerId, presence);
  }

  #settle(peerId: string, claims: PeerClaims): void {
    if (claims.ofRun.size === 0) this.#claims.delete(peerId);
    let best: { readonly run: string; readonly presence: Presence } | undefined;
    for (const [run, presence] of claims.ofRun) {
      const { epoch } = presence;
      claims.greatestEpoch = Math.max(claims.greatestEpoch, epoch);
      if (epoch < claims.greatestEpoch) continue;
      // Equal ones, of which one is wrong: everyone takes the same.
      const isBetter =
        best === undefined ||
        epoch > best.presence.epoch ||
        (epoch === best.presence.epoch && run > best.run);
      if (isBetter) best = { run, presence };
    }
    const former = claims.standing;
    claims.standing = best?.presence;
    if (JSON.stringify(former) !== JSON.stringify(claims.standing)) {
      this.#changed(peerId, claims.standing);
    }
  }
}

interface PeerClaims {
  readonly ofRun: Map<string, Presence>;
  greatestEpoch: number;
  standing: Presence | undefined;
}
