import { join } from "node:path";
import { openSqliteStore } from "../../../src/store/sqlite/sqlite-store.js";
import { defineStoreContract } from "../../contract/store-contract.js";
import { workerUrl } from "./built-worker.js";

defineStoreContract({
  name: "sqlite",
  isDurable: true,
  keepsCopies: false,
  open: ({ folder, clock, limits }) =>
    openSqliteStore({ path: join(folder, "peerline.db"), clock, limits, workerUrl }),
});
