import { sampleIntervalMs } from "./limits.js";
import { LightAgent } from "./light-agent.js";
import { newTally } from "./tally.js";

// A process of its own: `node agents.js ADDRESS NAME...`, one light agent for each name. It tells its
// parent every few seconds what was done, and ends with it.
const [address = "", ...names] = process.argv.slice(2);
const tally = newTally();
const ended = new AbortController();
process.once("disconnect", () => ended.abort());
const report = setInterval(() => {
  // The parent may be gone before it says so.
  if (process.connected) process.send?.(tally, undefined, {}, () => undefined);
}, sampleIntervalMs / 2);
await Promise.all(names.map((name) => new LightAgent(address, name, tally).run(ended.signal)));
clearInterval(report);
