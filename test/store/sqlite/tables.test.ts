import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import Database from "libsql";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { isIntact, sumsOf } from "../../../src/store/sqlite/damage/checksums.js";
import { applicationId, migrations } from "../../../src/store/sqlite/schema.js";
import {
  deliverySelect,
  messageSelect,
  peerSelect,
  type ReadDelivery,
  type ReadMessage,
  type ReadPeer,
  Statements,
} from "../../../src/store/sqlite/statements.js";
import {
  deliveryTable,
  machineTable,
  messageTable,
  peerTable,
} from "../../../src/store/sqlite/tables.js";
import { silent } from "../../contract/store/bell.js";
import { ample, bob, texts } from "../../contract/store/drafts.js";
import { execute } from "./execute.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";
import { peersOf } from "../../contract/store/records.js";

const types = {
  key: "INTEGER",
  integer: "INTEGER",
  checksum: "INTEGER",
  text: "TEXT",
  blob: "BLOB",
};

/** The version of the schema that made each table. */
const madeIn = [
  [peerTable, 1],
  [messageTable, 1],
  [deliveryTable, 1],
  [machineTable, 4],
] as const;

test.each(
  madeIn.flatMap(([table, first]) =>
    migrations
      .map((_step, index) => ({ table, version: index + 1, name: table.name }))
      .filter(({ version }) => version >= first),
  ),
)("version $version of the schema has the columns that are declared of $name", (given) => {
  const { table, version } = given;
  const database = databaseOf(version);
  const made = database
    .prepare(`SELECT name, type, "notnull" AS required, pk FROM pragma_table_info('${table.name}')`)
    .all() as { name: string; type: string; required: number; pk: number }[];
  const declared = table.fields.filter(({ since }) => since <= version);
  expect(made.map(({ name, type }) => `${name} ${type}`)).toEqual(
    declared.map(({ name, kind }) => `${name} ${types[kind]}`),
  );
  expect(made.map(({ required, pk }) => required === 0 && pk === 0)).toEqual(
    declared.map(({ isNullable }) => isNullable === true),
  );
});

test("what an earlier build stored is whole, and its checksums would be the same today", () => {
  const statements = new Statements(earlierDatabase());
  const peers = statements.prepare<ReadPeer>(peerSelect).all();
  const messages = statements.prepare<ReadMessage>(messageSelect).all();
  const deliveries = statements.prepare<ReadDelivery>(deliverySelect).all();
  expect([peers.length, messages.length, deliveries.length]).toEqual([3, 5, 6]);
  for (const peer of peers) {
    expect(isIntact(peerTable, peer)).toBe(true);
    expect(peer).toMatchObject(sumsOf(peerTable, { ...peer, profile: peer.profile ?? fail() }));
  }
  for (const message of messages) expect(isIntact(messageTable, message)).toBe(true);
  for (const delivery of deliveries) expect(isIntact(deliveryTable, delivery)).toBe(true);
});

test.each(["peer", "message", "delivery"])("a change of any column of a %s is found", (name) => {
  const table = { peer: peerTable, message: messageTable, delivery: deliveryTable }[name] ?? fail();
  const select = { peer: peerSelect, message: messageSelect, delivery: deliverySelect }[name];
  const [row] = new Statements(earlierDatabase()).prepare<ReadPeer>(select ?? fail()).all();
  const whole: Record<string, unknown> = { ...row };
  for (const { field, kind } of table.fields.filter((one) => one.kind !== "checksum")) {
    const value = kind === "text" ? "?" : kind === "blob" ? new Uint8Array([1]) : 77;
    const altered = { ...whole, [field]: value };
    expect(isIntact(table as typeof peerTable, altered as unknown as ReadPeer), field).toBe(false);
  }
});

test("a database of an earlier build is served as it was", async () => {
  const path = temporaryDatabase();
  earlierDatabase().exec(`VACUUM INTO '${path}'`);
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  const offered = await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
  expect(texts(offered)).toEqual(["a", "bb — ü", "eeeee"]);
  expect(offered.map(({ receipt }) => receipt.state)).toEqual([
    ReceiptState.LEASED,
    ReceiptState.PRESENTED,
    ReceiptState.LEASED,
  ]);
  expect((await peersOf(store)).map(({ name }) => name).toSorted()).toEqual([
    "worker-0",
    "worker-1",
    "worker-2",
  ]);
  expect(told).toEqual([]);
  expect(await store.health()).toMatchObject({ damagedMessages: 0 });
});

test("a column that is added to tables.ts reaches select, insert, checksum and salvage", async () => {
  const path = temporaryDatabase();
  earlierDatabase().exec(`VACUUM INTO '${path}'`);
  const program = await buildWithColour(dirname(path));
  const run = (deed: string): unknown =>
    JSON.parse(execFileSync(process.execPath, [program, path, deed], { encoding: "utf8" }));
  const rows = Array.from({ length: 6 }, () => ["blue", true]);
  expect(run("read")).toEqual({ told: [], rows });
  expect(run("write")).toEqual({ told: [], rows: [...rows, ["red", true]] });
  const told = [
    expect.stringContaining("Salvaged were 5 messages and 3 peers; 0 messages are lost"),
  ];
  expect(run("salvage")).toEqual({ told, rows: [...rows, ["red", true]] });
  execute(path, "UPDATE delivery SET colour = 'green' WHERE seq IN (6, 7)");
  const damaged = [...rows.slice(1), ["green", false], ["green", false]];
  expect(run("read")).toEqual({ told: [], rows: damaged });
});

function databaseOf(version: number): Database.Database {
  const database = new Database(":memory:");
  database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  for (const step of migrations.slice(0, version)) {
    if (typeof step === "string") database.exec(step);
    else step(database);
  }
  return database;
}

/** What the build of the third version of the schema left: its rows, with the checksums that it made. */
function earlierDatabase(): Database.Database {
  const database = databaseOf(3);
  database.exec(readFileSync(join(import.meta.dirname, "third-version.sql"), "utf8"));
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 3;`);
  return database;
}

/** Builds `added-column.ts` with one line more in tables.ts, and the migration that it needs. */
async function buildWithColour(folder: string): Promise<string> {
  const program = join(folder, "added-column.mjs");
  const libsql = pathToFileURL(createRequire(import.meta.url).resolve("libsql")).href;
  const column = `colour: added(${migrations.length + 1}, text(), "blue")`;
  const step = "ALTER TABLE delivery ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'";
  const bundle = await rolldown({
    input: join(import.meta.dirname, "added-column.ts"),
    platform: "node",
    plugins: [
      {
        name: "added-column",
        resolveId: (id) => (id === "libsql" ? { id: libsql, external: true } : undefined),
        transform: (code, id) => {
          if (id.endsWith("/tables.ts")) {
            return insertAfter(code, /deliveryChecksum: checksum\(.*\),\n/, `${column},\n`);
          }
          if (!id.endsWith("/schema.ts")) return undefined;
          return insertAfter(code, /\n {2}`,(?=\n\];)/, `\n\`${step}\`,`);
        },
      },
    ],
  });
  await bundle.write({ file: program, format: "esm" });
  await bundle.close();
  return program;
}

function insertAfter(code: string, place: RegExp, line: string): string {
  if (!place.test(code)) throw new Error(`no line fits ${place}`);
  return code.replace(place, (found) => found + line);
}

function fail(): never {
  throw new Error("the row is not there");
}
