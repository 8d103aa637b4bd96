/** A Unix socket's path: macOS takes 103 bytes and a NUL, Linux 107, and both cut a longer one off in silence. */
export const maxSocketPathBytes = 103;

/** Connecting as a whole, with starting a broker: fifty adapters at once on two cores take several seconds. */
export const connectTimeoutMs = 15_000;

/** One attempt at a socket that accepts connections but may not answer. */
export const answerTimeoutMs = 5_000;

/**
 * The same for a broker of another machine, with connecting: names are resolved, and links may be slow. A tool call,
 * which has 10 seconds, is to say why it failed.
 */
export const remoteAnswerTimeoutMs = 8_000;

/** Brokers that PEERLINE_BROKER may name. */
export const maxEndpoints = 8;

/** How long one of several brokers may take to answer before the next one is asked too. */
export const headStartMs = 1_000;

/** How long one process's start of a broker keeps others from starting theirs. */
export const startClaimMs = 5_000;

/**
 * How long agents start no broker in a home after one failed at its start, or soon after it: the first
 * time, and at most. It doubles with each failure in a row.
 */
export const firstStartPauseMs = 1_000;
export const maxStartPauseMs = 15_000;

/** A failure that is older than this begins a new row. */
export const startFailuresMs = 120_000;

/** What is read of why it failed. */
export const maxStartFailureBytes = 4096;

/** A process's stamp in a file, in bytes: it has about 70. */
export const maxStampBytes = 256;

/** Waits between two looks for another process's broker: the first, doubled each time, at most the second. */
export const minRetryDelayMs = 50;
export const maxRetryDelayMs = 1_000;

/** Secrets that are read from one home; the broker accepts no longer keyring. */
export const maxSecrets = 4096;

/** Looks at a secret that another process is about to write, and the time between two. */
export const secretLooks = 20;
export const secretLookMs = 25;

/** A secret with its line end has 44 bytes; a file with more is none. */
export const maxSecretFileBytes = 64;

/** How long `--version` of a Node may take, in milliseconds. */
export const versionTimeoutMs = 5_000;

/** The end of the broker's log, in bytes: a start that fails again for the same reason is not told again. */
export const toldLogBytes = 4096;

/** What is read of a file of certificates or of a key that somebody has of their own, and certificates in one. */
export const maxGivenBytes = 256 * 1024;
export const maxGivenCertificates = 16;

/** What `broker.toml` may hold: settings and a page of comments. */
export const maxSettingsBytes = 64 * 1024;

/**
 * What the Node of a broker that is started here is given. By itself V8 lets new objects fill 16 MiB in
 * each thread before it collects them, and gives little of that back. With 2 MiB a broker takes a quarter
 * less memory at full speed, and two fifths less when it rests. A message takes the same time.
 */
export const brokerNodeFlags: readonly string[] = ["--max-semi-space-size=2"];

/** What is read of the file that says which broker was joined: a certificate and a page beside it. */
export const maxJoinedBytes = 16 * 1024;

/** Calls by which the time of one to a broker of another machine is measured. */
export const roundTrips = 5;

/** Certificates that are looked at of what answers at an address. */
export const maxChain = 8;

/**
 * How long one of several addresses of a name is tried before the next one. Node gives it up then, after 250 ms
 * by itself, which is too short for a far machine whose other address is dead.
 */
export const addressAttemptMs = 2_000;

/** What is read of a file with a key and its certificate. */
export const maxCertificateBytes = 64 * 1024;

/** Servers of NATS that `broker.toml` may name: one of a cluster's is enough, some more are for when it is down. */
export const maxNatsServers = 16;

/** What is read of a file with credentials, a key, a password or a token for NATS. */
export const maxNatsSecretBytes = 16 * 1024;
