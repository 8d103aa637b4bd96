import type { Damage } from "./database-damage.js";

/** One kind of damage in copies of a database, once for each seed from 1 on. */
export interface SalvageTrial {
  /** Of the database. */
  readonly path: string;
  /** For the copies, which do not stay. */
  readonly folder: string;
  readonly kind: Damage;
  readonly seeds: number;
  /** The highest number of a row in it. */
  readonly maxRowid: number;
}

/** How many intact rows were found in one such copy: peers, messages and deliveries. */
export interface Recovery {
  /** By the store's own reader of pages. */
  readonly reader: number;
  /** By SQLite, asked row by row, on a file of the pages that the reader finds. */
  readonly walkOfPages: number;
  /** By SQLite, asked row by row, on the file and the WAL as they are. */
  readonly walk: number;
}
