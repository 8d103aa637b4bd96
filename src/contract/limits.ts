const KiB = 1024;
const dayMs = 24 * 60 * 60_000;

/** A peer's name, in characters. */
export const maxNameLength = 40;

/** The text of a message, in bytes of UTF-8. */
export const maxTextBytes = 16 * KiB;

/** How long a message may be asked to wait. */
export const minExpiresInMs = 1000;
export const maxExpiresInMs = 365 * dayMs;

/** Reports in one AckMessages. */
export const maxAcks = 1024;

/** What a client says of itself, in bytes. */
export const maxClientNameBytes = 64;
export const maxClientVersionBytes = 64;
export const maxPathBytes = 4096;
export const maxBranchBytes = 255;

/** A URL of a repository's origin, and the name that is made of it, in bytes. */
export const maxOriginBytes = 1024;

/** Peers, and messages of the history, on one page. */
export const maxPeersPageSize = 1000;
export const maxHistoryPageSize = 200;

/** How long a peer may be muted for. */
export const maxMuteMs = 365 * dayMs;

/** Bytes that one more recipient of a message takes, about: its receipt and its entries in indices. */
export const deliveryBytes = 512;

/** A broker's certificate is made anew when it ends sooner than this. */
export const renewBeforeMs = 30 * dayMs;

/** So long before it is made it begins: the clock of another machine may lag behind so far. */
export const certificateSkewMs = 2 * dayMs;
