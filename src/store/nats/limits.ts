/**
 * The oldest server that is used. Those before it lose whole streams when they are killed, and 2.9 knows
 * no `sync_interval: always`.
 */
export const oldestServer = [2, 10, 23] as const;

/** What a server must take in one message: a text, data and all that is said about them fit well. */
export const leastPayloadBytes = 128 * 1024;

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

/** How long a stream knows the publishes that it stored, so that a repeat of one is no second one. */
export const duplicateWindowMs = 2 * 60 * 1000;

/** Consumers of one stream: two for each gateway, and those of people who look. */
export const maxStreamConsumers = 256;

/** What the stream of peers and machines may hold, and the one of presences, in bytes. */
export const maxPeersBytes = 256 * 1024 * 1024;
export const maxPresenceBytes = 64 * 1024 * 1024;

/** Times that a stream is made or changed against another gateway that does the same. */
export const maxStreamTries = 5;

/** How long servers are waited for that tell of their configuration, after each that did. */
export const probeTimeoutMs = 500;
