import { openDatabase } from "../../src/store/sqlite/database.js";
import { markDamaged } from "../../src/store/sqlite/damage/salvage.js";
import { migrations } from "../../src/store/sqlite/schema.js";

// A program of the tests. Arguments: the database, and what to do with it: make one of the schema before
// the newest, migrate it, or salvage it.
const [, , path = "", deed = ""] = process.argv;
if (deed === "salvage") markDamaged(path);
openDatabase(path, deed === "make" ? migrations.slice(0, -1) : migrations);
