import { defineMoveContract } from "../../contract/store/movement.js";
import { openMemoryStore } from "./memory-store.js";

defineMoveContract({
  name: "memory",
  isDurable: false,
  keepsCopies: false,
  open: async ({ clock, limits }) => openMemoryStore({ clock, limits }),
});
