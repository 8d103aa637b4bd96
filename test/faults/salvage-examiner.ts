import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { isIntact } from "../../src/store/sqlite/damage/checksums.js";
import { pageBytes, PageFile } from "../../src/store/sqlite/damage/page-reader.js";
import { recognise } from "../../src/store/sqlite/damage/salvaged-row.js";
import { selection, Statements } from "../../src/store/sqlite/statements.js";
import {
  deliveryTable,
  messageTable,
  peerTable,
  type Table,
} from "../../src/store/sqlite/tables.js";
import { damage } from "./database-damage.js";
import type { Recovery, SalvageTrial } from "./salvage-trial.js";

// A program of the tests. For each seed it damages a copy of a database and counts the intact rows that each
// way of reading finds in it. It prints a Recovery as a line of JSON. Arguments: a SalvageTrial as JSON.
const trial = JSON.parse(process.argv[2] ?? "{}") as SalvageTrial;
for (let seed = 1; seed <= trial.seeds; seed += 1) {
  const folder = join(trial.folder, `${trial.kind}-${seed}`);
  mkdirSync(folder);
  const path = join(folder, "peerline.db");
  for (const suffix of ["", "-wal"]) {
    if (existsSync(trial.path + suffix)) copyFileSync(trial.path + suffix, path + suffix);
  }
  damage(path, trial.kind, seed);
  const recovery: Recovery = {
    reader: countOnPages(path),
    walkOfPages: countByWalk(joinPages(path)),
    walk: countByWalk(path),
  };
  process.stdout.write(`${JSON.stringify(recovery)}\n`);
  rmSync(folder, { recursive: true });
}

/** With the store's own reader of pages. */
function countOnPages(path: string): number {
  const found = new Set<string>();
  const file = new PageFile(path);
  for (const raw of file.rows()) {
    const row = recognise(raw);
    if (row?.isProven === true) found.add(`${row.kind} ${raw.rowid}`);
  }
  file.close();
  return found.size;
}

/** With SQLite: asks for each number that a row can have, whatever became of the last one asked for. */
function countByWalk(path: string): number {
  const database = new Database(path);
  try {
    database.exec("PRAGMA writable_schema = ON; PRAGMA cell_size_check = OFF");
  } catch {
    // The header cannot be read. Then nothing else can, either.
  }
  const tables: readonly Table[] = [peerTable, messageTable, deliveryTable];
  const found = tables.flatMap((table) => walk(new Statements(database), table));
  database.close();
  return found.length;
}

function walk(statements: Statements, table: Table): number[] {
  const columns = selection(table, "t");
  const sql = `SELECT ${columns} FROM ${table.name} t NOT INDEXED WHERE t.rowid = :rowid`;
  return Array.from({ length: trial.maxRowid }, (_, index) => index + 1).filter((rowid) => {
    try {
      const row = statements.prepare<Record<string, never>>(sql).one({ rowid });
      return row !== undefined && isIntact(table, row);
    } catch {
      return false;
    }
  });
}

/** A file of the pages that are found with the WAL as the store reads it: over damaged frames. */
function joinPages(path: string): string {
  const joinedPath = `${path}.joined`;
  const file = new PageFile(path);
  const joined = openSync(joinedPath, "w");
  for (let page = 1; page <= file.pageCount; page += 1) {
    const bytes = file.read(page) ?? Buffer.alloc(pageBytes);
    writeSync(joined, bytes, 0, pageBytes, (page - 1) * pageBytes);
  }
  closeSync(joined);
  file.close();
  return joinedPath;
}
