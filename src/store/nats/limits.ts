/**
 * The oldest server that is used. Those before it lose whole streams when they are killed, and 2.9 knows
 * no `sync_interval: always`.
 */
export const oldestServer = [2, 10, 23] as const;

/**
 * What a server must take in one message. A text, data and all that is said about them fit well. All machines
 * and tokens to enrol with are one record, and fit, too.
 */
export const leastPayloadBytes = 256 * 1024;

/** How long the first connection is tried, and JetStream's answer waited for: a cluster elects for about 5 s. */
export const startTimeoutMs = 10_000;

/** One attempt to reach one server, with TLS and login: at most, and at least where there are many servers. */
export const dialTimeoutMs = 3_000;
export const leastDialTimeoutMs = 500;

/** Between two attempts to connect; up to as much again at random, so that gateways do not come all at once. */
export const reconnectWaitMs = 125;

/** A link is dead after so many pings without an answer: after 6 s at most. */
export const pingIntervalMs = 2_000;
export const maxPingsOut = 2;

/** A server of which a stream's leader has not heard for so long is told as offline: it says so each second. */
export const silentServerMs = 5_000;

/**
 * How often a server has to show that it reaches a majority, and how long it may fail to: an election takes up
 * to 8 s. Then another one is tried.
 */
export const proofIntervalMs = 2_000;
export const maxUnprovenMs = 9_000;

/** How long a server that is too old is not asked again, where it is the only one. */
export const refusedWaitMs = 2_000;

/** One request of JetStream's administration. */
export const apiTimeoutMs = 2_000;

/** How long the end of a link waits for what is on its way. */
export const closeTimeoutMs = 2_000;

/** How long a publish is tried: an election takes 4 to 6 s. */
export const publishDeadlineMs = 8_000;

/** One try of a publish; a server that was killed takes with it what it had not answered. */
export const publishTryMs = 1_500;

/** Between two tries of a publish: the first wait, doubled each time, and the longest. */
export const firstPublishWaitMs = 50;
export const maxPublishWaitMs = 400;

/** Publishes that are on their way at once. Others wait for their turn. */
export const maxPublishesInFlight = 512;

/** Messages that a consumer asks for ahead of whoever reads a whole stream. */
export const maxReadAhead = 1_000;

/** Records, and bytes of messages, that are copied at once. */
export const maxCopiedRecords = 256;
export const maxCopiedBytes = 1024 * 1024;

/** Times that messages are published again because they came out of order. */
export const maxAppendTries = 5;

/** How long one record that is copied is tried: nobody waits for it, and servers may be started anew meanwhile. */
export const copyDeadlineMs = 60_000;

/** How long a stream knows the publishes that it stored, so that a repeat of one is no second one. */
export const duplicateWindowMs = 2 * 60 * 1000;

/** Consumers of one stream: two for each gateway, and those of people who look. */
export const maxStreamConsumers = 256;

/** What the stream of peers and machines may hold, in bytes. */
export const maxPeersBytes = 256 * 1024 * 1024;

/** Times that a stream is made or changed against another gateway that does the same. */
export const maxStreamTries = 5;

/** How long servers are waited for that tell of their configuration, after each that did. */
export const probeTimeoutMs = 500;

/** How long one request of a consumer is open, and how often the server says meanwhile that it is there. */
export const consumerExpiresMs = 4_000;
export const consumerHeartbeatMs = 500;

/**
 * A consumer of which nobody asks anything for so long is removed by the servers: by itself the client says
 * 5 minutes. Each loss of a connection leaves one, and a stream may have `maxStreamConsumers`.
 */
export const consumerInactiveMs = 10_000;

/** A consumer that is silent for so long is left, and another one is made. */
export const consumerSilenceMs = 2_000;

/** How long a stream has to lack what it had until that counts as lost: a server that is cut off tells old values. */
export const lossProofMs = 20_000;

/** Between two attempts to follow a stream: the first wait, doubled each time, and the longest. */
export const firstFollowWaitMs = 50;
export const maxFollowWaitMs = 1_000;

/** How long the reading of a stream waits for the next message that is there. */
export const replayTimeoutMs = 5_000;

/** How often it is checked that the records' consumer has missed nothing, and how often it may have, in turn. */
export const checkIntervalMs = 2_000;
export const maxLateChecks = 2;

/** So many records are read one by one; more are left to the consumer while it brings one within that time. */
export const maxReadOneByOne = 64;
export const flowWaitMs = 500;

/** How long a removed peer's mark is kept, in milliseconds, and how often those to be forgotten are looked for. */
export const removalMemoryMs = 60 * 60 * 1000;
export const removalSweepMs = 5 * 60 * 1000;

/** Who has not heard of the records for so long reads all of them: marks may be gone. */
export const maxBlindMs = removalMemoryMs / 2;

/** How long a stream on several servers has to lack records that it had, until all are read anew. */
export const lackingMs = 20_000;

/** Losses of the connection after which it is checked whether records were lost. After more, all are read. */
export const maxDoubted = 8;

/** Between two tries of a change of records, where others change them at once: the first wait and the longest. */
export const firstChangeWaitMs = 4;
export const maxChangeWaitMs = 200;

/** Updates that may have been stored, and are known again when they are repeated. */
export const maxUncertainChanges = 1_000;

/** Damages that are told. More are counted with the last one. */
export const maxDamagesKnown = 1_000;

/** How often a broker says that it lives, in milliseconds. */
export const beatMs = 500;

/** A broker that is silent while so many of this one's beats come back is gone: for 3 s, and a beat at most. */
export const maxSilentBeats = 6;

/** How long a broker that starts waits for what the others say of their sessions, where there are others. */
export const presenceHearingMs = 500;

/** Other brokers whose sessions are followed, and the sessions of one of them. */
export const maxPresenceRuns = 256;
export const maxPresencesOfRun = 100_000;

/** All that a broker says of its sessions comes in parts of so many bytes, and in so many of them. */
export const maxPresencePartBytes = 64 * 1024;
export const maxPresenceParts = 4_096;

/** Characters of one id in them. */
export const maxPresenceTextLength = 1_024;

/** How long a lease of a later session keeps an earlier one from the message: as long as it may take to end it. */
export const fenceMs = 60_000;

/** How long the answer to a send waits until its recipient's reader may be offered it: the stream tells soon, or is not heard. */
export const maxToldWaitMs = 500;

/** How long until what could not be leased, for want of an answer of the engine, is tried again. */
export const leaseRetryMs = 500;

/** Messages of which it is known without asking that their ids were used, some 200 bytes each. */
export const maxRecentMessages = 50_000;

/** Messages, and receipts, of this gateway that the streams have not told of, some 2 KB each. */
export const maxOwnUntold = 4_096;

/** Messages that one page of history reads: where few of them are wanted, the page is short. */
export const maxPageReads = 1_000;

/** Deliveries that are forgotten at once when their time is over. */
export const pruneSlice = 100;

/** Words on damage that are kept for whoever asks how the store is. */
export const maxWordsTold = 16;

/** By how much a machine's clock may differ from the engine's without being set right, and how often that is looked at. */
export const clockToleranceMs = 2_000;
export const clockCheckMs = 60_000;

/** Receipts that are kept until the stream of mail tells of their messages. What is forgotten is asked for later. */
export const maxEarlyRegisters = 10_000;
