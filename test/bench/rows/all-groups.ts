import type { RowGroup } from "../row.js";
import { adapterStart } from "./adapter-start.js";
import { adapters } from "./adapters.js";
import { broadcast } from "./broadcast.js";
import { brokerMemory } from "./broker-memory.js";
import { concurrent } from "./concurrent.js";
import { enginePeers } from "./engine-peers.js";
import { engineStart } from "./engine-start.js";
import { engines } from "./engines.js";
import { growth } from "./growth.js";
import { hook } from "./hook.js";
import { oneAtATime } from "./one-at-a-time.js";

/** In the order of the report. */
export const groups: readonly RowGroup[] = [
  oneAtATime,
  adapters,
  concurrent,
  broadcast,
  adapterStart,
  brokerMemory,
  growth,
  hook,
  engines,
  enginePeers,
  engineStart,
];
