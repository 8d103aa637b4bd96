/** How much is measured. Counts, not times, so that runs compare. */
export interface Counts {
  /** Times that floor, ours and rival take turns. */
  readonly rounds: number;
  /** Calls one after the other, in a round. */
  readonly calls: number;
  /**
   * Calls of a tool, and exchanges between two agents, in a round: one adapter makes all of them, and may
   * send 600 messages at once. A rival may take a second for an exchange.
   */
  readonly toolCalls: number;
  readonly exchanges: number;
  readonly rivalExchanges: number;
  /** Messages of 64 senders together, in a round: 38,400 in all rounds, for the same reason. */
  readonly concurrentSends: number;
  /** Rounds of texts to all subscribers: at most 8, since a broker makes 256 new peers at once. */
  readonly broadcastRounds: number;
  /** Starts of each program. */
  readonly starts: number;
  /** Processes of each kind whose memory is read. */
  readonly memories: number;
  /** Messages after which the broker's memory is read; and those that 64 clients then send at full speed. */
  readonly memoryMessages: number;
  readonly fullSpeedMessages: number;
  /** How long a broker rests until it is looked at whether it has given memory back. */
  readonly restMs: number;
  /** Sizes of the stores that are compared, in messages. */
  readonly storeSizes: readonly number[];
  readonly brokerStarts: number;
  readonly growthCalls: number;
  readonly hooks: number;
  /** Rounds of stores beside their engines; messages of each in a round, by how many are under way at a time. */
  readonly engineRounds: number;
  readonly engineMessages: Readonly<Record<number, number>>;
  readonly engineWarmUp: number;
  /** Peers of a store over three servers, and how long they are watched in each state. */
  readonly enginePeers: number;
  readonly engineLoadMs: number;
}

export type Mode = "trial" | "quick" | "full";

/** Shows that each row can be measured; its figures mean nothing. */
const trial: Counts = {
  rounds: 1,
  calls: 5,
  toolCalls: 5,
  exchanges: 2,
  rivalExchanges: 1,
  concurrentSends: 64,
  broadcastRounds: 1,
  starts: 1,
  memories: 1,
  memoryMessages: 64,
  fullSpeedMessages: 64,
  restMs: 100,
  storeSizes: [1000, 2000],
  brokerStarts: 1,
  growthCalls: 2,
  hooks: 2,
  engineRounds: 1,
  engineMessages: { 1: 5, 16: 32, 256: 512 },
  engineWarmUp: 64,
  enginePeers: 20,
  engineLoadMs: 500,
};

const quick: Counts = {
  rounds: 6,
  calls: 80,
  toolCalls: 25,
  exchanges: 10,
  rivalExchanges: 1,
  concurrentSends: 1000,
  broadcastRounds: 3,
  starts: 6,
  memories: 1,
  memoryMessages: 4000,
  fullSpeedMessages: 4000,
  restMs: 10_000,
  storeSizes: [1000, 100_000],
  brokerStarts: 3,
  growthCalls: 25,
  hooks: 15,
  engineRounds: 5,
  engineMessages: { 1: 200, 16: 2000, 256: 6000 },
  engineWarmUp: 3000,
  enginePeers: 2000,
  engineLoadMs: 10_000,
};

const full: Counts = {
  rounds: 20,
  calls: 200,
  toolCalls: 15,
  exchanges: 12,
  rivalExchanges: 1,
  concurrentSends: 1600,
  broadcastRounds: 8,
  starts: 20,
  memories: 3,
  memoryMessages: 24_000,
  fullSpeedMessages: 12_000,
  restMs: 60_000,
  storeSizes: [1000, 100_000, 1_000_000],
  brokerStarts: 8,
  growthCalls: 50,
  hooks: 30,
  engineRounds: 9,
  engineMessages: { 1: 400, 16: 3000, 256: 8000 },
  engineWarmUp: 6000,
  enginePeers: 2000,
  engineLoadMs: 20_000,
};

export const countsOf: Readonly<Record<Mode, Counts>> = { trial, quick, full };

/** Bytes of each text; unique, since a repeated one is refused. */
export const textBytes = 256;
/** About what a send of such a text has, encoded: the floor carries as many. */
export const requestBytes = 320;

/** Processes of clients, and senders in each: 64 that send at the same time. */
export const clientProcesses = 4;
export const sendersOfProcess = 16;
export const subscribers = 200;
/** Who writes to all subscribers in a round. Each text counts 200 against the 600 that a sender may send at once. */
export const broadcastSenders = 6;

/** Bytes of a text that passes through stores and bare engines. */
export const engineBytes = 1024;
/** Messages a second between peers that are watched. */
export const engineLoad = 50;

/** How long after its start, or its `initialize`, a process is left alone before its memory is read. */
export const settleMs = 1500;
/** Calls of tools after which an adapter's memory is read again. */
export const memoryCalls = 200;

/** Peers of a filled store: the same at each size, so that messages alone grow. */
export const storePeers = 200;
/** Of so many messages in a filled store one still waits; the others are confirmed. */
export const waitingOneIn = 100;

/** How long a load, and a call of an MCP server, may take until its row counts as not measured. */
export const orderLimitMs = 300_000;
export const callLimitMs = 60_000;
/** How long a process may take to end before it is killed. */
export const endLimitMs = 10_000;
/** Poll of a rival, over which its sends are spread. */
export const rivalPollMs = 1000;
/** Until a call that waits is taken to have been received. */
export const waitingMs = 15;
