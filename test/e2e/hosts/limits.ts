/** One prompt of a host from start to end, on a busy machine. */
export const maxRunMs = 90_000;

/** How long a host may take to become a peer, on a busy machine. */
export const maxStartMs = 60_000;

/** How long a host may take to show something on its terminal, on a busy machine. */
export const maxScreenWaitMs = 60_000;

/** How long what a host started may outlive it, on a busy machine. */
export const maxEndMs = 30_000;

/** Between a line and its end, as a person types: hosts allow for tens of milliseconds. */
export const pauseMs = 200;

/**
 * How long a host may take to let its user type, once its hooks have told of another conversation. What is
 * typed meanwhile is lost, and no text on its terminal tells.
 */
export const clearMs = 3_000;
