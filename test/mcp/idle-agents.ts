import { systemClock } from "../../src/clock.js";
import { readConfig } from "../../src/endpoint/config.js";
import { Identity } from "../../src/mcp/identity.js";
import { Mail } from "../../src/mcp/mail.js";
import { Session } from "../../src/mcp/session.js";
import type { FromIdleAgents, IdleTask } from "./idle-agents-process.js";

// A program of the test of absences: the lines of many agents, in one process that collects garbage all
// the time. Argument: its task, as JSON.
const { agents, program, collectIntervalMs } = JSON.parse(process.argv[2] ?? "") as IdleTask;
const { gc } = globalThis;
if (gc === undefined) throw new Error("run it with --expose-gc");
setInterval(() => {
  gc();
}, collectIntervalMs);

const sessions = Array.from({ length: agents }, (_, index) => {
  const name = `idle-${index}`;
  const config = { ...readConfig(), name: { name, written: name } };
  const client = { name: "test", version: "1" };
  const identity = new Identity({ config, client, cwd: config.home, conversationId: undefined });
  return new Session({ config, program, identity, mail: new Mail(systemClock), log: () => {} });
});

process.on("message", () => {
  for (const session of sessions) void call(session);
});
// The test has ended.
process.on("disconnect", () => process.exit(0));

/** Calls the broker, with a signal that nobody aborts, as of a host that waits for ever. */
async function call(session: Session): Promise<void> {
  const startMs = performance.now();
  const { signal } = new AbortController();
  const outcome = await session
    .call((client, options) => client.listPeers({}, options), signal)
    .then(
      () => "answered",
      (error: unknown) => String(error),
    );
  process.send?.({ outcome, ms: performance.now() - startMs } satisfies FromIdleAgents);
}
