import { StoreError } from "../../../src/broker/store/store.js";
import { openDatabase } from "../../../src/store/sqlite/database.js";
import { migrations } from "../../../src/store/sqlite/schema.js";

// A program of the tests: opens a database as a later version would, whose schema has further steps, and
// prints "opened" or "CODE words". Arguments: the database and the steps as JSON.
const [, , path = "", steps = "[]"] = process.argv;
try {
  openDatabase(path, [...migrations, ...(JSON.parse(steps) as string[])]);
  process.stdout.write("opened");
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  process.stdout.write(`${error.code} ${error.message}`);
}
