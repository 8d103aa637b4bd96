import { maxBranchBytes, maxClientNameBytes, maxClientVersionBytes } from "../contract/limits.js";
import { hostname } from "node:os";
import { isDeepStrictEqual } from "node:util";
import type { Profile } from "../../gen/peerline/v1/peer_pb.js";
import { findCheckout } from "./checkout.js";

/** The program that an adapter serves. */
export interface Client {
  readonly name: string;
  readonly version: string;
}

/**
 * What an agent says of itself, and what of it the broker was told last. Its summary is not here: the
 * broker keeps that. Without a working directory the agent has no root either, and its peer is found by
 * its conversation or name alone.
 */
export class AgentProfile {
  readonly #client: Client;
  readonly #cwd: string | undefined;
  #told: Place | undefined;
  #isLooking = false;

  constructor(client: Client, cwd: string | undefined) {
    this.#client = client;
    this.#cwd = cwd;
  }

  /** For a registration, which tells all of it. */
  async describe(): Promise<Described> {
    const place = await describePlace(this.#cwd);
    this.#told = place;
    return {
      clientName: cut(this.#client.name, maxClientNameBytes),
      clientVersion: cut(this.#client.version, maxClientVersionBytes),
      host: hostname(),
      ...place,
    };
  }

  /**
   * Looks where the agent works by now, and tells it where that is not what was told last. One look at a
   * time: a file system that answers nobody must not take every thread.
   */
  async tellChange(tell: (place: Place) => Promise<void>): Promise<void> {
    const before = this.#told;
    if (before === undefined || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const place = await describePlace(this.#cwd);
      if (this.#told !== before || isDeepStrictEqual(place, before)) return;
      await tell(place);
      if (this.#told === before) this.#told = place;
    } finally {
      this.#isLooking = false;
    }
  }
}

/** Where an agent works. */
type Place = Pick<Profile, "cwd" | "root" | "branch" | "repository">;

type Described = Omit<Profile, "summary" | "$typeName">;

async function describePlace(cwd: string | undefined): Promise<Place> {
  const checkout = cwd === undefined ? undefined : await findCheckout(cwd);
  return {
    cwd: cwd ?? "",
    root: checkout?.root ?? cwd ?? "",
    branch: cut(checkout?.branch ?? "", maxBranchBytes),
    repository: checkout?.repository ?? "",
  };
}

/** At most so many bytes of UTF-8, without half a character at the end. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\uFFFD+$/, "");
}
