import { systemClock } from "../../src/clock.js";
import { Line } from "../../src/client/line.js";
import { readConfig } from "../../src/endpoint/config.js";
import { connectBroker } from "../../src/endpoint/connect.js";
import { AgentIdentity } from "../../src/mcp/agent-identity.js";
import { Mail } from "../../src/client/mail.js";
import { callTimeoutMs } from "../../src/mcp/limits.js";
import type { FromIdleAgents, IdleTask } from "./idle-agents-process.js";

// A program of the test of absences: the lines of many agents, in one process that collects garbage all
// the time. Argument: its task, as JSON.
const { agents, program, collectIntervalMs } = JSON.parse(process.argv[2] ?? "") as IdleTask;
const { gc } = globalThis;
if (gc === undefined) throw new Error("run it with --expose-gc");
setInterval(() => {
  gc();
}, collectIntervalMs);

const lines = Array.from({ length: agents }, (_, index) => {
  const name = `idle-${index}`;
  const config = { ...readConfig(), name: { name, written: name } };
  const client = { name: "test", version: "1" };
  const cwd = config.home;
  return new Line({
    connect: (signal) => connectBroker({ config, program, start: true, paced: true, signal }),
    identity: new AgentIdentity({ config, client, cwd, conversationId: undefined }),
    mail: new Mail(systemClock),
    clock: systemClock,
    receives: true,
    callTimeoutMs,
    isLasting: () => false,
    log: () => {},
  });
});

process.on("message", () => {
  for (const line of lines) void call(line);
});
// The test has ended.
process.on("disconnect", () => process.exit(0));

/** Calls the broker, with a signal that nobody aborts, as of a host that waits for ever. */
async function call(line: Line): Promise<void> {
  const startMs = performance.now();
  const { signal } = new AbortController();
  const outcome = await line
    .call((client, options) => client.listPeers({}, options), signal)
    .then(
      () => "answered",
      (error: unknown) => String(error),
    );
  process.send?.({ outcome, ms: performance.now() - startMs } satisfies FromIdleAgents);
}
