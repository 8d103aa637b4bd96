import { LoadClient } from "../load-client.js";
import type { LoadAnswer, LoadOrder } from "../load-process.js";

// A process of clients: `fork`ed, it carries out the orders of its parent, and ends with it.
const clients = new LoadClient();
process.on("message", ({ id, command, args }: LoadOrder) => {
  const carriedOut = (clients[command] as (args: unknown) => unknown).call(clients, args);
  Promise.resolve(carriedOut).then(
    (value) => answer({ id, value }),
    (error: unknown) => answer({ id, error: String(error) }),
  );
});
process.once("disconnect", () => process.exit());

function answer(message: LoadAnswer): void {
  if (process.connected) process.send?.(message);
}
