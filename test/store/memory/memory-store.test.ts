import { openMemoryStore } from "./memory-store.js";
import { defineStoreContract } from "../../contract/store-contract.js";

defineStoreContract({
  name: "memory",
  isDurable: false,
  keepsCopies: false,
  open: async ({ clock, limits }) => openMemoryStore({ clock, limits }),
});
