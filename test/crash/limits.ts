/** Messages that a host is shown at once. */
export const pageMessages = 32;

/** Reports in one call. */
export const maxReports = 256;

/** One call of a light adapter; longer than the broker is ever stopped. */
export const callTimeoutMs = 8_000;

/** Waits before connecting again, and before a send is repeated: half as long or up to this, at random. */
export const retryMs = 150;

/** How long the host of a light adapter takes over a page before it goes on, at most; that of a real one. */
export const maxThinkMs = 60;
export const maxHostThinkMs = 300;

/** One call in so many of a host asks where a message stands. */
export const statusEvery = 8;

/** How long a broker or an adapter is stopped (SIGSTOP), at least and at most. */
export const minStopMs = 50;
export const maxStopMs = 1_000;

/** How long a server or a gateway over NATS is away, stopped or cut off, at least and at most. */
export const minEngineRestMs = 500;
export const maxEngineRestMs = 5_000;

/** Between two messages of a probe. */
export const probeMs = 50;

/** After a fault, how long it may take until as much work is done as is waited for. */
export const progressTimeoutMs = 120_000;

/** In the end, how long it may take until nothing is open any more; what still is then is judged. */
export const drainTimeoutMs = 180_000;
