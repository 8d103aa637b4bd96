import { openDatabase } from "../../../src/store/sqlite/database.js";
import { isIntact } from "../../../src/store/sqlite/damage/checksums.js";
import { markDamaged } from "../../../src/store/sqlite/damage/salvage.js";
import { migrations } from "../../../src/store/sqlite/schema.js";
import {
  deliverySelect,
  type ReadDelivery,
  Statements,
} from "../../../src/store/sqlite/statements.js";
import { type DeliveryRow, deliveryTable } from "../../../src/store/sqlite/tables.js";

// A program of the tests, built with a further column of deliveries, `colour`. Arguments: the database and
// what to do with it: "write" one more delivery of its last message, to carol and in red; "salvage" it.
// Prints, as JSON, what it was told of damage and each delivery's colour and whether it is intact.
const [, , path = "", deed = ""] = process.argv;
if (deed === "salvage") markDamaged(path);
const told: string[] = [];
const statements = new Statements(openDatabase(path, migrations, (words) => told.push(words)));
const select = statements.prepare<ReadDelivery & { colour: string }>(
  `${deliverySelect} ORDER BY d.seq`,
);
if (deed === "write") {
  const last = select.all().at(-1);
  if (last === undefined) throw new Error("there is no delivery");
  const row = { ...last, seq: last.seq + 1, peerId: "carol-id", colour: "red" };
  statements.insertInto(deliveryTable)(row satisfies DeliveryRow);
}
const rows = select.all().map((row) => [row.colour, isIntact(deliveryTable, row)]);
process.stdout.write(JSON.stringify({ told, rows }));
