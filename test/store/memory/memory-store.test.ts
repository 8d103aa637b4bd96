import { openMemoryStore } from "./memory-store.js";
import { defineStoreContract } from "../../contract/store-contract.js";

defineStoreContract({
  name: "memory",
  isDurable: false,
  open: async ({ clock, limits }) => openMemoryStore({ clock, limits }),
});
