/** How long the broker under soak keeps messages, and how often it looks; the product: 30 days, 10 minutes. */
export const retentionMs = 240_000;
export const pruneIntervalMs = 30_000;

/** Agents of the load: programs that speak the contract, and real adapters. */
export const lightAgents = 48;
export const adapters = 2;
/** Processes that the light agents share. */
export const agentProcesses = 4;

/** Between two samples. */
export const sampleIntervalMs = 5000;

/** An agent rests this long between two actions, on average: 50 agents then send some 30 messages a second. */
export const meanPauseMs = 1900;

/** What the last third of a run may have more than its middle third, as a share of that. */
export const maxGrowth = 0.1;
