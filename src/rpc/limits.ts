/** Largest encoded message that is sent or received, in bytes: gRPC clients accept no more by default. */
export const maxMessageBytes = 4 * 1024 * 1024;

/**
 * Longest error message that is sent, in bytes of UTF-8; what exceeds it is cut off. With the details
 * it has to fit the 8 KiB of headers that gRPC clients accept. It stands there once percent-encoded, up
 * to three times as long, and once inside the details.
 */
export const maxErrorMessageBytes = 1024;

/** Most that `grpc-status-details-bin` may hold, in bytes before base64; further details are left out. */
export const maxErrorDetailsBytes = 3072;

/** Longest deadline that is sent, in milliseconds: the most that a timer takes (24 days). */
export const maxTimeoutMs = 2 ** 31 - 1;

/** Silence on a connection after which it is asked whether it is alive, in milliseconds. */
export const keepaliveTimeMs = 30_000;

/**
 * The same over TLS. A link that is cut, or a computer that sleeps, is silence, and each call waits in it: the two
 * sides know within 20 seconds. A socket's other end is a process of this machine, whose end is heard at once.
 */
export const tlsKeepaliveTimeMs = 10_000;

/** How long the answer may take before the connection counts as lost, in milliseconds. Over TLS a window may be before it. */
export const keepaliveTimeoutMs = 10_000;

/**
 * What a server may send over TLS before the client has said that it arrived, in bytes, in all and for each call. By
 * itself HTTP/2 allows 64 KiB, so that mail which waits would cross a long way again and again. Much more would hold
 * up the answer to a keepalive on a slow link.
 */
export const tlsWindowBytes = 256 * 1024;

/** First and longest pause between two attempts to connect, in milliseconds. */
export const minReconnectDelayMs = 100;
export const maxReconnectDelayMs = 1_000;

/** Bytes of one stream's responses that may be written and not yet taken. One message more is allowed. */
export const maxUnreadBytesOfCall = 64 * 1024;

/** The same for all calls of a server together. Beyond it the call that was not read for longest is reset. */
export const maxUnreadBytes = 256 * 1024 * 1024;

/** Streams of health and of reflection, each, that a server has open at once. */
export const maxHelperStreams = 256;

/** Connections that a server has open at once: those of the agents, and of commands beside them. */
export const maxConnections = 2_048;

/** Calls that one connection may have open at once; a client queues what exceeds it. */
export const maxCallsOfConnection = 256;

/**
 * Calls that a server has open at once, answered or not: each costs some 30 KiB. They are all that the
 * sessions of a broker may have as streams (4,096), and one call more for each connection.
 */
export const maxCalls = 6_144;

/** What the requests of open calls hold together, with their headers, in bytes. */
export const maxRequestBytes = 64 * 1024 * 1024;

/**
 * How long a call that has ended waits for its reader to take the rest, and an unfinished request for its
 * end, in milliseconds. It is closed after that, and before twice that.
 */
export const stuckCallMs = 15_000;

/** How long handlers whose calls were cut off may take to end, in milliseconds. */
export const maxHandlerEndMs = 1_000;

/** The oldest version of TLS that either side speaks. */
export const tlsVersion = "TLSv1.3";

/** How long a connection may take until its encryption stands, in milliseconds. */
export const handshakeTimeoutMs = 10_000;

/** How long a connection over TLS may take, from its beginning, until a call over it is admitted, in milliseconds. */
export const strangerMs = 20_000;

/** A channel over TCP that is closed destroys what is left of its connections after this time. */
export const closeGraceMs = 500;
