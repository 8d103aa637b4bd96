import type { MailHead } from "./mail-record.js";
import { deliveryBytes } from "../../../contract/limits.js";

/** One delivery that is kept, open or not. */
export interface KeptDelivery {
  readonly seq: number;
  readonly from: string;
  readonly to: string;
  readonly acceptMs: number;
  /** `threadHash` of its thread: others may have the same. */
  readonly threadHash: number;
}

/**
 * Every delivery that is kept, in the order of acceptance, in some 40 bytes each. What a peer sent or
 * received, what is old, and how much there is of each sender are found without asking the engine.
 */
export class Ledger {
  #seqs = new Float64Array(1024);
  #accepts = new Float64Array(1024);
  #froms = new Uint32Array(1024);
  #tos = new Uint32Array(1024);
  #threads = new Uint32Array(1024);
  /** Counted bytes; 0 where the delivery is gone. */
  #bytes = new Uint32Array(1024);
  #length = 0;
  #gone = 0;
  readonly #peers = new Interned();
  #totalBytes = 0;
  #lastSeq = 0;

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Of the latest delivery that was ever added; 0 before. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get size(): number {
    return this.#length - this.#gone;
  }

  bytesOf(from: string): number {
    return this.#peers.known(from)?.sentBytes ?? 0;
  }

  /** Whether a kept message was sent by, or to, the peer. */
  involves(peerId: string): boolean {
    return (this.#peers.known(peerId)?.deliveries ?? 0) > 0;
  }

  has(seq: number): boolean {
    const index = this.#indexOf(seq);
    return index !== undefined;
  }

  /** Adds a delivery, or does nothing where it is there. It may come after later ones, if not by many. */
  add(head: MailHead): void {
    let index = this.#length;
    while (index > 0 && (this.#seqs[index - 1] ?? 0) > head.seq) index--;
    if (index > 0 && this.#seqs[index - 1] === head.seq) return;
    this.#lastSeq = Math.max(this.#lastSeq, head.seq);
    this.#reserve();
    for (const column of this.#columns()) column.copyWithin(index + 1, index, this.#length);
    this.#length++;
    const from = this.#peers.get(head.from.peerId);
    const to = this.#peers.get(head.to.peerId);
    const bytes = head.sizeBytes + deliveryBytes;
    this.#seqs[index] = head.seq;
    this.#accepts[index] = head.acceptMs;
    this.#froms[index] = from.number;
    this.#tos[index] = to.number;
    this.#threads[index] = threadHash(head.threadId);
    this.#bytes[index] = bytes;
    this.#totalBytes += bytes;
    from.sentBytes += bytes;
    from.deliveries++;
    to.deliveries++;
  }

  /** False where it is not there. */
  remove(seq: number): boolean {
    const index = this.#indexOf(seq);
    if (index === undefined) return false;
    const bytes = this.#bytes[index] ?? 0;
    const from = this.#peers.at(this.#froms[index] ?? 0);
    this.#totalBytes -= bytes;
    from.sentBytes -= bytes;
    from.deliveries--;
    this.#peers.at(this.#tos[index] ?? 0).deliveries--;
    this.#bytes[index] = 0;
    this.#gone++;
    if (this.#gone > 1024 && this.#gone > this.#length / 2) this.#compact();
    return true;
  }

  /** Those after `seq`, oldest first. It may change meanwhile. */
  *after(seq: number): Generator<KeptDelivery> {
    for (let last = seq; ;) {
      let index = this.#firstAfter(last);
      while (index < this.#length && this.#bytes[index] === 0) index++;
      if (index >= this.#length) return;
      last = this.#seqs[index] ?? Number.MAX_SAFE_INTEGER;
      yield this.#read(index);
    }
  }

  /** Those before `seq`, newest first. It may change meanwhile. */
  *before(seq: number): Generator<KeptDelivery> {
    for (let next = seq; ;) {
      let index = this.#firstAfter(next - 1) - 1;
      while (index >= 0 && this.#bytes[index] === 0) index--;
      if (index < 0) return;
      next = this.#seqs[index] ?? 0;
      yield this.#read(index);
    }
  }

  #read(index: number): KeptDelivery {
    return {
      seq: this.#seqs[index] ?? 0,
      from: this.#peers.at(this.#froms[index] ?? 0).peerId,
      to: this.#peers.at(this.#tos[index] ?? 0).peerId,
      acceptMs: this.#accepts[index] ?? 0,
      threadHash: this.#threads[index] ?? 0,
    };
  }

  #indexOf(seq: number): number | undefined {
    const index = this.#firstAfter(seq - 1);
    return this.#seqs[index] === seq && index < this.#length && this.#bytes[index] !== 0
      ? index
      : undefined;
  }

  /** The place of the first one with a greater seq. */
  #firstAfter(seq: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#seqs[middle] ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #columns(): (Float64Array | Uint32Array)[] {
    return [this.#seqs, this.#accepts, this.#froms, this.#tos, this.#threads, this.#bytes];
  }

  #reserve(): void {
    if (this.#length < this.#seqs.length) return;
    const length = this.#seqs.length * 2;
    this.#seqs = grown(this.#seqs, new Float64Array(length));
    this.#accepts = grown(this.#accepts, new Float64Array(length));
    this.#froms = grown(this.#froms, new Uint32Array(length));
    this.#tos = grown(this.#tos, new Uint32Array(length));
    this.#threads = grown(this.#threads, new Uint32Array(length));
    this.#bytes = grown(this.#bytes, new Uint32Array(length));
  }

  #compact(): void {
    let kept = 0;
    for (let index = 0; index < this.#length; index++) {
      if (this.#bytes[index] === 0) continue;
      for (const column of this.#columns()) column[kept] = column[index] ?? 0;
      kept++;
    }
    this.#length = kept;
    this.#gone = 0;
  }
}

/** A number for each peer that mail is from or to. */
class Interned {
  readonly #byId = new Map<string, Entry>();
  readonly #entries: Entry[] = [];

  known(peerId: string): Entry | undefined {
    return this.#byId.get(peerId);
  }

  get(peerId: string): Entry {
    const known = this.#byId.get(peerId);
    if (known !== undefined) return known;
    const entry = { peerId, number: this.#entries.length, sentBytes: 0, deliveries: 0 };
    this.#byId.set(peerId, entry);
    this.#entries.push(entry);
    return entry;
  }

  at(number: number): Entry {
    const entry = this.#entries[number];
    if (entry === undefined) throw new Error("a delivery of an unknown peer");
    return entry;
  }
}

interface Entry {
  readonly peerId: string;
  readonly number: number;
  sentBytes: number;
  deliveries: number;
}

/** FNV-1a of 32 bits. */
export function threadHash(threadId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < threadId.length; index++) {
    hash = Math.imul(hash ^ threadId.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

function grown<T extends Float64Array | Uint32Array>(old: T, bigger: T): T {
  bigger.set(old);
  return bigger;
}
