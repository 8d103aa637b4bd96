/** The log and its one predecessor may each grow to this. */
export const maxLogBytes = 8 * 1024 * 1024;

/** What is logged is followed to this depth; below it stands a mark. */
export const maxLogDepth = 6;

/** Attempts at a home's lock that another process has, and the pause between two. */
export const lockAttempts = 3;
export const lockPauseMs = 10;

/** Calls under way when the broker stops are let finish for this long, then cut off. */
export const stopGraceMs = 2_000;

/** A broker that fails sooner than this after its start is not started again at once. */
export const provenMs = 60_000;

/** Stopping as a whole. A process that hangs beyond this ends by force: its lock must become free. */
export const stopTimeoutMs = 10_000;

/** Files that are left for all else than connections: database, log, and what opens and closes. */
export const otherOpenFiles = 100;

/**
 * Bytecode that a function of the broker runs before it is compiled. A broker lives long and does the same for each
 * message, and with V8's own budget it is slow for its first thousands.
 */
export const brokerCompileBudget = 20_000;

/**
 * By how much a heap may grow until V8 collects it anew, in percent of what was in use. By itself V8 lets it
 * grow up to fourfold. So a broker at full speed takes a third more memory, most of it for what is dead.
 */
export const heapGrowthPercent = 60;

const dayMs = 24 * 60 * 60 * 1000;

/** How long the broker's certificate authority is good, and each certificate of the broker. */
export const authorityMs = 30 * 365 * dayMs;
export const certificateMs = 90 * dayMs;

/** From when on the authority is good, since 1970: a clock that was wrong when it was made does no harm. */
export const authorityStartMs = Date.UTC(2020, 0, 1);

/**
 * How often it is looked whether a certificate is to be made anew. Waits do not count while the machine sleeps,
 * so after a long sleep other machines are refused for up to this.
 */
export const renewLookMs = 10 * 60_000;

/** How often files are read anew that hold a certificate from elsewhere. */
export const givenLookMs = 60_000;

/** Names and addresses in one certificate, and those of them that other machines were told. */
export const maxCertificateNames = 64;
export const maxToldNames = 32;

/** Connections of other machines, and those of them over which no call was admitted yet. */
export const maxTlsConnections = 512;
export const maxStrangers = 128;
