import type { Random } from "../crash/random.js";
import { type FileEvent, folderFile } from "./recording.js";

/** What of the unsynced changes is on the disk after a cut. */
export const remains = ["nothing", "torn prefix", "scattered sectors", "everything"] as const;

export type Remains = (typeof remains)[number];

/**
 * A disk that keeps what was synced and may or may not keep the rest. A sync of a file makes its bytes
 * durable, one of the folder the names in it. Names that are not durable survive in their order, as a
 * journalling file system keeps them; bytes that are not survive by sector, in any order.
 */
export class Disk {
  readonly #files = new Map<number, DiskFile>();
  readonly #names = new Map<string, number>();
  #pendingNames: (readonly [name: string, file: number | undefined])[] = [];

  /** @param files what is on the disk already, by name. */
  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    for (const [name, bytes] of files) {
      // The recorded process numbers its files from 1.
      const number = -1 - this.#files.size;
      this.#files.set(number, new DiskFile(bytes));
      this.#names.set(name, number);
    }
  }

  apply(event: FileEvent): void {
    switch (event.kind) {
      case "create":
        return this.#create(event);
      case "unlink":
        this.#pendingNames.push([event.name, undefined]);
        return;
      case "write":
      case "truncate":
        this.#file(event.file).change(event);
        return;
      case "sync":
        if (event.file !== folderFile) return this.#file(event.file).sync();
        rename(this.#names, this.#pendingNames);
        this.#pendingNames = [];
        return;
      case "acknowledge":
    }
  }

  /** The files that a power cut at this moment leaves, by name; the same for the same chances. */
  cut(remaining: Remains, random: Random): Map<string, Buffer> {
    const count = this.#pendingNames.length;
    const keep = { nothing: 0, everything: count }[remaining as string] ?? random.between(0, count);
    const names = this.#namesWith(keep);
    return new Map(
      [...names].map(([name, file]) => [name, this.#file(file).cut(remaining, random)]),
    );
  }

  /** A file that was there before is created when it is first opened. */
  #create({ file, name }: Extract<FileEvent, { kind: "create" }>): void {
    const present = this.#namesWith(this.#pendingNames.length).get(name);
    if (present !== undefined) return void this.#files.set(file, this.#file(present));
    this.#files.set(file, new DiskFile());
    this.#pendingNames.push([name, file]);
  }

  /** The names, with the first so many of those that are not durable. */
  #namesWith(pending: number): Map<string, number> {
    const names = new Map(this.#names);
    rename(names, this.#pendingNames.slice(0, pending));
    return names;
  }

  #file(file: number): DiskFile {
    const found = this.#files.get(file);
    if (found === undefined) throw new Error(`a file that was not opened: ${file}`);
    return found;
  }
}

type Change = Extract<FileEvent, { kind: "write" | "truncate" }>;

/** A disk writes a sector as a whole or not at all. */
const sectorBytes = 512;

class DiskFile {
  readonly #durable = new Content();
  #pending: Change[] = [];

  constructor(bytes?: Buffer) {
    if (bytes !== undefined) this.#durable.write(0, bytes);
  }

  change(change: Change): void {
    this.#pending.push(change);
  }

  sync(): void {
    for (const change of this.#pending) this.#durable.apply(change);
    this.#pending = [];
  }

  cut(remaining: Remains, random: Random): Buffer {
    const content = this.#durable.copy();
    for (const change of this.#survivors(remaining, random)) content.apply(change);
    return content.bytes;
  }

  #survivors(remaining: Remains, random: Random): Change[] {
    if (remaining === "nothing") return [];
    if (remaining === "everything") return this.#pending;
    const parts = this.#pending.flatMap(toSectors);
    if (remaining === "torn prefix") return parts.slice(0, random.between(0, parts.length));
    const kept = parts.filter(() => random.between(0, 1) === 1);
    return random.sample(kept, kept.length);
  }
}

class Content {
  #buffer = Buffer.alloc(0);
  #size = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  copy(): Content {
    const copy = new Content();
    copy.#buffer = Buffer.from(this.bytes);
    copy.#size = this.#size;
    return copy;
  }

  apply(change: Change): void {
    if (change.kind === "truncate") return this.#resize(change.size);
    this.write(change.offset, change.bytes);
  }

  write(offset: number, bytes: Buffer): void {
    const end = offset + bytes.length;
    if (end > this.#size) this.#resize(end);
    bytes.copy(this.#buffer, offset);
  }

  #resize(size: number): void {
    if (size > this.#buffer.length) {
      const larger = Buffer.alloc(2 * size);
      this.bytes.copy(larger);
      this.#buffer = larger;
    }
    if (size < this.#size) this.#buffer.fill(0, size, this.#size);
    this.#size = size;
  }
}

function toSectors(change: Change): Change[] {
  if (change.kind === "truncate") return [change];
  const { file, offset, bytes } = change;
  const sectors: Change[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, start + sectorBytes - ((offset + start) % sectorBytes));
    sectors.push({
      kind: "write",
      file,
      offset: offset + start,
      bytes: bytes.subarray(start, end),
    });
    start = end;
  }
  return sectors;
}

function rename(
  names: Map<string, number>,
  changes: readonly (readonly [name: string, file: number | undefined])[],
): void {
  for (const [name, file] of changes) {
    if (file === undefined) names.delete(name);
    else names.set(name, file);
  }
}
