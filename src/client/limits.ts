const MiB = 1024 * 1024;

/** Credit: messages delivered and not yet shown. */
export const inboxMessages = 64;

/** The same in bytes of encoded messages. */
export const inboxBytes = 1 * MiB;

/** Messages shown, yet not known to be settled by the broker. The oldest is forgotten first: it may be shown twice. */
export const maxShownMessages = 1024;

/** Senders named beside an unread count. */
export const maxUnreadSenders = 8;

/** The longest wait for what expires next: the clock may be set forward, or the machine sleep, meanwhile. */
export const maxExpiryWaitMs = 600_000;

/** A call's time to reach the broker, which may have to be started, and be answered by it, with all its retries. */
export const defaultCallTimeoutMs = 30_000;

/** Registering: the broker may hold the answer for up to a second after its own start. */
export const registerTimeoutMs = 5_000;

/** Waits before connecting again: the first at most this, then twice as long each time, up to the maximum. */
export const minReconnectMs = 100;
export const maxReconnectMs = 5_000;

/** The longest wait that the broker may ask for before it is connected to again; up to twice that is waited. */
export const maxAskedDelayMs = 30_000;

/** After a broker that stopped in good order, up to twice this: whoever stopped it may want to see it gone. */
export const stoppedReconnectMs = 500;

/** Waits before a call or a report that the broker could not serve is repeated. */
export const minRetryMs = 100;
export const maxRetryMs = 2_000;

/** After a call that a remote broker left without an answer: how long the next one waits for any sign of life. */
export const maxDoubtMs = 2_000;

/** How long the first calls wait for mail that the broker says is there. */
export const catchUpMs = 500;

/** How long a stream whose token is void may take to say why. */
export const farewellMs = 1_000;

/** Parting from the broker: reporting what is to report, and taking leave. */
export const defaultCloseTimeoutMs = 5_000;

/** How long mail that waits may fail to come before it is counted again, and how often in a row. */
export const quietMs = 1_000;
export const maxQuietLooks = 3;

/** How deep the objects and arrays in the data of a message may be nested. */
export const maxDataDepth = 64;

/** Text of a broker's own that is kept of an answer or an error, in characters: the longest has a thousand bytes. */
export const maxAnswerLine = 1200;
