import { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";
import { isIdEnd, shortId } from "../../contract/ids.js";
import { maxNameLength } from "../../contract/limits.js";
import { fold, isReserved, withSuffix } from "../../contract/names.js";
import { maxNamesCompared, maxNamesTold } from "../limits.js";
import type { PeerRecord } from "./directory.js";

/** Whose each name is, and whose it was. */
export class PeerNames {
  readonly #owners = new Map<string, PeerRecord>();
  /** The peers that had a name before and have another now. The one that gave the name up last is last. */
  readonly #former = new Map<string, PeerRecord[]>();

  get(name: string): PeerRecord | undefined {
    return this.#owners.get(name);
  }

  /** The peers that had the name before, without the one that has it now; the last one first. */
  formerOwners(name: string): PeerRecord[] {
    const owner = this.#owners.get(name);
    const former = this.#former.get(name) ?? [];
    return former.filter((peer) => peer !== owner).toReversed();
  }

  /** The first free name of a base (`api`, `api-2`, …), and which of its kind it is. */
  free(baseName: string): { name: string; number: number } {
    for (let number = 1; ; number++) {
      const name = numberedName(baseName, number);
      if (!this.#owners.has(name)) return { name, number };
    }
  }

  /** Names that someone who wrote `wanted` may have meant, nearest first. */
  near(wanted: string): string[] {
    return nearNames(wanted, this.#owners.keys());
  }

  add(peer: PeerRecord): void {
    const { name, formerNames } = peer.stored;
    this.#owners.set(name, peer);
    for (const { name: former } of formerNames) {
      const owners = [...(this.#former.get(former) ?? []), peer];
      owners.sort((a, b) => untilMs(a, former) - untilMs(b, former));
      this.#former.set(former, owners);
    }
  }

  remove(peer: PeerRecord): void {
    const { name, formerNames } = peer.stored;
    // Another may have taken the name before it is heard that this one gave it up.
    if (this.#owners.get(name) === peer) this.#owners.delete(name);
    for (const { name: former } of formerNames) {
      const others = this.#former.get(former)?.filter((owner) => owner !== peer) ?? [];
      if (others.length === 0) this.#former.delete(former);
      else this.#former.set(former, others);
    }
  }
}

/** The name that is made of a project's or a user's name when none is asked for. It never fails. */
export function automaticName(text: string, kind: PeerKind): string {
  const { name } = fold(text);
  if (name === "") return "peer";
  const word = kindWords[kind] ?? "program";
  if (isIdEnd(name)) return withSuffix(shortId(name), word);
  return isReserved(name) ? withSuffix(name, word) : name;
}

const kindWords: Partial<Record<PeerKind, string>> = {
  [PeerKind.AGENT]: "agent",
  [PeerKind.PERSON]: "person",
};

/** When the peer gave the name up. */
export function untilMs(peer: PeerRecord, name: string): number {
  return peer.stored.formerNames.find((former) => former.name === name)?.untilMs ?? 0;
}

/** The `number`th name of a base: `api`, `api-2`, `api-3`, within the length of a name. */
export function numberedName(baseName: string, number: number): string {
  if (number === 1) return baseName;
  const suffix = `-${number}`;
  return baseName.slice(0, maxNameLength - suffix.length) + suffix;
}

/**
 * Names that someone who wrote `wanted` may have meant, nearest first. However many names there are, few
 * are compared: those that contain it, else those of about its length that begin or end like it.
 */
export function nearNames(wanted: string, names: Iterable<string>): string[] {
  const text = wanted.toLowerCase();
  if (text.length > maxNameLength) return [];
  const candidates: string[] = [];
  for (const name of names) {
    if (!isCandidate(text, name)) continue;
    candidates.push(name);
    if (candidates.length === maxNamesCompared) break;
  }
  return candidates
    .map((name) => ({ name, distance: distance(text, name) }))
    .filter(({ name, distance }) => distance <= mostEdits(Math.min(text.length, name.length)))
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, maxNamesTold)
    .map(({ name }) => name);
}

/** Cheap to check for every name. A single typing error changes the first or the last letter, not both. */
function isCandidate(text: string, name: string): boolean {
  if (contains(text, name)) return true;
  const most = mostEdits(Math.min(text.length, name.length));
  if (Math.abs(text.length - name.length) > most) return false;
  return text[0] === name[0] || text.at(-1) === name.at(-1);
}

/** With more edits, two short names have only their length in common: `all` is no typing error for `api`. */
function mostEdits(length: number): number {
  return length <= 3 ? 1 : Math.max(2, Math.floor(length / 3));
}

function contains(a: string, b: string): boolean {
  return a.length >= 2 && (b.includes(a) || a.includes(b));
}

/**
 * Edits between two texts, two letters in the wrong order being one (optimal string alignment); one text
 * that contains the other counts as a single edit.
 */
function distance(a: string, b: string): number {
  if (contains(a, b)) return a === b ? 0 : 1;
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const edits = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const substitution = edits(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwapped ? edits(i - 2, j - 2) + 1 : substitution;
      row.push(Math.min(edits(i - 1, j) + 1, edits(i, j - 1) + 1, substitution, swap));
    }
  }
  return edits(a.length, b.length);
}
