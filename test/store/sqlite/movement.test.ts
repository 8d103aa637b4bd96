import { join } from "node:path";
import { openSqliteStore } from "../../../src/store/sqlite/sqlite-store.js";
import { defineMoveContract } from "../../contract/store/movement.js";
import { workerUrl } from "./built-worker.js";

defineMoveContract({
  name: "sqlite",
  isDurable: true,
  keepsCopies: false,
  open: ({ folder, clock, limits }) =>
    openSqliteStore({ path: join(folder, "peerline.db"), clock, limits, workerUrl }),
});
