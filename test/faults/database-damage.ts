import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { Random } from "../crash/random.js";
import { flipBits } from "./flip-bits.js";

const pageBytes = 4096;
/** The kind of a page that leads to pages with the rows of a table. */
const leading = 0x05;

/** Ways to damage a database that was closed, or the WAL of one that was killed. */
export const kindsOfDamage = [
  "3 bits of the file",
  "3 bits of the WAL",
  "a page",
  "a page that leads to others",
  "the end of the file",
] as const;

export type Damage = (typeof kindsOfDamage)[number];

/** Damages the database, the same for the same seed. */
export function damage(path: string, kind: Damage, seed: number): void {
  const random = new Random(`${kind} ${seed}`);
  const file = kind === "3 bits of the WAL" ? `${path}-wal` : path;
  const bytes = readFileSync(file);
  const pages = Array.from({ length: bytes.length / pageBytes }, (_, page) => page);
  switch (kind) {
    case "3 bits of the file":
    case "3 bits of the WAL":
      flipBits(bytes, 3, seed);
      break;
    case "a page":
      overwrite(bytes, random.pick(pages));
      break;
    case "a page that leads to others":
      overwrite(bytes, random.pick(pages.filter((page) => isLeading(bytes, page))));
      break;
    case "the end of the file":
      return truncateSync(path, random.pick(pages.slice(1)) * pageBytes);
  }
  writeFileSync(file, bytes);
}

/** The first page leads to every table. */
function isLeading(bytes: Buffer, page: number): boolean {
  return page === 0 || bytes.readUInt8(page * pageBytes) === leading;
}

function overwrite(bytes: Buffer, page: number): void {
  bytes.fill(0xff, page * pageBytes, (page + 1) * pageBytes);
}
