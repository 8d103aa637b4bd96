/** The pause before a lost broker is looked for again, in milliseconds: doubled each time, up to the greatest. */
export const firstReconnectDelayMs = 100;
export const maxReconnectDelayMs = 5000;

/** How long one unary call may take, in milliseconds. */
export const callTimeoutMs = 10_000;

/** How long `send` waits, in all, for what was sent before to have been long enough ago, in milliseconds. */
export const maxTurnWaitMs = 10_000;

/** How long a purge may take, in milliseconds: it goes through all that a peer sent. */
export const purgeTimeoutMs = 120_000;

/** How long `stop` waits for the broker's process to end, in milliseconds, and how long between looks. */
export const stopWaitMs = 10_000;
export const stopLookMs = 25;

/** Messages that `log` shows by default, and at most. */
export const defaultLogCount = 20;
export const maxLogCount = 2000;

/** Messages that a search of the history looks at. */
export const maxSearched = 20_000;

/**
 * A list that comes in pages, as a whole: its pages, its time in milliseconds, and what is kept of it in bytes, encoded.
 * A broker's own bound of peers fits in, with 640 bytes for each.
 */
export const maxListPages = 500;
export const listTimeoutMs = 60_000;
export const maxListBytes = 64 * 1024 * 1024;

/** Messages that `log -f` knows as shown, so that it shows none twice after a lost connection. */
export const maxLogMemory = 2 * maxLogCount;

/** Longer lines are not shown whole where a part of one changes, in characters: a configuration may be one line. */
export const maxDifferenceLineLength = 200;

/** Of a command line that was not understood, what is quoted to show how it is written, in characters. */
export const maxQuotedCharacters = 60;

/** How long an agent of the demo waits for mail that has to come, in milliseconds. */
export const mailWaitMs = 10_000;

/** How often, and after what pause in milliseconds, the demo looks for a last report to arrive. */
export const maxSettleLooks = 200;
export const settleLookMs = 50;

/** Bytes that have to be free on the home's disk for messages to be taken: the store's own reserve. */
export const reserveBytes = 32 * 1024 * 1024;

/** Free bytes below which a disk counts as nearly full. */
export const scarceBytes = 10 * reserveBytes;

/** Entries of the home that are looked at. */
export const maxHomeEntries = 20_000;

/** The end of the broker's log that is read, in bytes: some hundred lines. */
export const logTailBytes = 64 * 1024;

/** A manifest of a package, in bytes; Peerline's has about two thousand. */
export const maxManifestBytes = 64 * 1024;

/** What is read of the arguments of a process, and of its environment, in bytes: ours have some thousand. */
export const maxProcessBytes = 1024 * 1024;

/** How far a time of the broker may be ahead of ours before the clock is to blame, in milliseconds. */
export const clockToleranceMs = 60_000;

/** How soon a certificate from elsewhere ends before the doctor warns, in milliseconds: 7 days. */
export const certificateWarningMs = 7 * 86_400_000;

/** A certificate that is due is made anew within a day; one more, and it was not. */
export const renewToleranceMs = 2 * 24 * 60 * 60_000;

/** A call that takes longer makes agents wait. */
export const slowRoundTripMs = 1_000;

/** Peers that were not seen for this long count as stale, in milliseconds: 7 days. */
export const staleMs = 7 * 86_400_000;

/** Names that one finding lists. */
export const maxListed = 5;

/** How long the command of an entry has to answer `initialize`, in milliseconds. */
export const startTimeoutMs = 10_000;

/** How long it has to end once its input has ended, in milliseconds. */
export const endTimeoutMs = 1_000;

/** What a started command may write, in bytes; the rest is not read. */
export const maxStartBytes = 256 * 1024;

/** Frames of a WAL that are looked through: that of a broker has some thousand. */
export const maxLogFrames = 65_536;

/** Looks at a home whose lock is held and whose socket nobody serves, and the time between two. */
export const lockSettleLooks = 10;
export const lockSettleMs = 200;

/** The system's list of locks, in bytes: each has about sixty. */
export const maxLocksBytes = 4 * 1024 * 1024;

/** How long a line to join with may be good, in milliseconds. */
export const maxEnrolmentSpanMs = 7 * 86_400_000;

/** What is read of standard input that is to hold such a line, in bytes. */
export const maxJoinLineBytes = 4096;

/** How much of what an engine's streams may hold is told as nearly all, in percent. */
export const fullEnginePercent = 90;
