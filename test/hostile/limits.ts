import { keepaliveTimeMs, keepaliveTimeoutMs, maxMessageBytes } from "../../src/rpc/limits.js";

/** Of all inputs: calls over HTTP/2, connections of raw bytes; the rest are lines for the adapter. */
export const callShare = 0.6;
export const connectionShare = 0.01;

/** Connections of raw bytes at once. */
export const rawConnections = 4;

/** Connections that carry calls, and calls under way on each. */
export const connections = 4;
export const callsAtOnce = 24;

/** Calls after which the peers that hostile input acts as get new sessions. */
export const callsPerSession = 500;

/**
 * Calls and connections that one driver process fires before the next takes its place. After some hundreds of
 * thousands, an HTTP/2 client on Node 20.20.2 sometimes takes memory without end and aborts.
 */
export const inputsPerDriver = 20_000;

/** Memory that a driver may have, in KiB of its address space: four times what it needs, not all there is. */
export const maxDriverKiB = 4 * 1024 * 1024;

/** Drivers of one run that may end by a signal; more die of something else than that. */
export const maxDriverDeaths = 20;

/** Outcomes that a driver gathers before it tells them; those of one that dies are lost, and fired again. */
export const outcomesPerReport = 100;

/** What is written of one message, in bytes, more or less: enough to be refused for its size. */
export const maxHostileBytes = 1.5 * maxMessageBytes;

/** Lines written to the adapter before it is asked whether it is well. */
export const linesAtOnce = 200;

/** A run has so many equal parts, and a reading after each. */
export const parts = 20;

/** The parts in which V8, caches and tables take what they then keep; readings count from their end on. */
export const warmUpParts = 2;

/** Between two looks of the witness, in milliseconds. */
export const witnessIntervalMs = 500;

/**
 * Memory that a process may have in the last third of the readings: this share more than in the first, or
 * this many MiB whatever it had. 100 bytes kept of each input of the long form would exceed it.
 */
export const maxGrowth = 0.25;
export const roomMiB = 192;

/** Descriptors that it may have more: connections come and go. */
export const maxMoreDescriptors = 6;

/**
 * How long a connection lives on that broke off in the middle of a bad frame, in milliseconds, on a busy
 * machine. Node does not notice it; keepalive does.
 */
export const maxLingerMs = keepaliveTimeMs + keepaliveTimeoutMs + 20_000;

/** A run of so many inputs takes the time to wait for that; a shorter one allows for its connections. */
export const longRun = 200_000;
