import { createBroker } from "../../src/broker/broker.js";
import { describeFault } from "../../src/broker/broker-error.js";
import { systemClock } from "../../src/clock.js";
import { createServer } from "../../src/rpc/server.js";
import { storeLimits } from "../../src/store/limits.js";
import { openNatsStore } from "../../src/store/nats/nats-store.js";
import type { GatewayTask } from "./gateway-process.js";

// A program of the crash run over a cluster: a broker over JetStream. Argument: its task, as JSON.
const { socket, name, operatorToken, servers, tells } = JSON.parse(
  process.argv[2] ?? "",
) as GatewayTask;
const tell = (level: string, fields: object, words: string): void => {
  if (!tells) return;
  const at = new Date().toISOString();
  process.stderr.write(`${at} ${name} ${level} ${words} ${JSON.stringify(fields)}\n`);
};

// The run has ended, or was killed itself.
process.on("disconnect", () => process.exit(0));

const store = await openPatiently();
const broker = await createBroker({
  store,
  clock: systemClock,
  version: "0.0.0-test",
  operatorToken,
  onStop: () => process.exit(0),
  log: {
    info: () => {},
    warn: (fields, words) => tell("warn", fields, words),
    error: (fields, words) => tell("error", fields, words),
  },
});
const server = createServer({
  services: [broker.service],
  describe: describeFault,
  onDefect: (error) => {
    process.stderr.write(`${name}: ${(error as Error).stack}\n`);
    process.exit(1);
  },
});
await server.listen(`unix:${socket}`);
tell("ready", {}, `after ${Math.round(performance.now())} ms`);
process.send?.("ready");

/** While a majority of the servers is away, no store opens. */
async function openPatiently(): ReturnType<typeof openNatsStore> {
  for (;;) {
    try {
      return await openNatsStore({
        nats: {
          servers,
          requireTls: false,
          tls: {},
          login: () => undefined,
          prefix: "peerline",
          replicas: 3,
          syncAlways: false,
        },
        version: "0.0.0-test",
        clock: systemClock,
        limits: storeLimits,
        tell: (words) => tell("tell", {}, words),
      });
    } catch (error) {
      tell("tell", {}, (error as Error).message);
    }
  }
}
