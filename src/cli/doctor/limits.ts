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
