import { create } from "@bufbuild/protobuf";
import { LimitSchema, type Limit } from "../../gen/peerline/v1/broker_service_pb.js";
import {
  maxAcks,
  maxBranchBytes,
  maxClientNameBytes,
  maxClientVersionBytes,
  maxExpiresInMs,
  maxHistoryPageSize,
  maxNameLength,
  maxPathBytes,
  maxPeersPageSize,
  maxTextBytes,
} from "../contract/limits.js";
import { settingNames, settings, type BrokerSettings } from "../contract/settings.js";
import {
  maxCalls,
  maxCallsOfConnection,
  maxConnections,
  maxMessageBytes,
  maxRequestBytes,
} from "../rpc/limits.js";
import type { Store } from "./store/store.js";

const KiB = 1024;
const MiB = 1024 * KiB;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

export const maxDataBytes = 16 * KiB;
export const maxThreadIdBytes = 64;
export const maxRecipients = 256;
export const defaultExpiresInMs = 30 * dayMs;

export const minSecretBytes = 32;
export const maxSecretBytes = 128;
export const maxKeyring = 4096;
export const maxInstanceIdBytes = 64;
export const maxConversationIdBytes = 128;
/** Conversations remembered for one peer; the oldest binding is forgotten first. */
export const maxConversationsPerPeer = 64;
export const maxBaseNameBytes = 255;
/** The part of all peers that a broker may know from which on those never used make room for new ones. */
export const nearMaxPeers = 0.9;
/** How long a peer that was never used stays after it was last seen, and how many are removed at once. */
export const unusedGraceMs = 10 * minuteMs;
export const retirementBatch = 32;
/** How long a peer that was found in use is not checked again when room is needed. */
export const usedPeerRestMs = 60 * minuteMs;

/** New peers of the whole broker, and of one connection: how many at once, and how many a second after that. */
export const maxCreationBurst = 256;
/** Those of the burst that are for connections over which no peer was made yet. */
export const creationBurstOfNewcomers = 64;
export const creationsPerSecond = 1;
export const maxCreationBurstOfConnection = 64;
export const creationsPerSecondOfConnection = 0.1;
/** Those of one other machine, over all of its connections: half of all. */
export const maxCreationBurstOfMachine = 128;
export const creationsPerSecondOfMachine = 0.5;

/**
 * Secrets of a keyring that are hashed in one go, about a millisecond of work. A registration costs as much
 * as one without a keyring, and that again for each so many secrets in it.
 */
export const secretsPerSlice = 256;

/** Registrations and deletions of peers that may wait for their turn. */
export const maxWaitingRegistrations = 1024;
export const maxWaitingRegistrationsOfConnection = 256;
/** After how long a session that registers again, and says nothing new, is stored as seen again. */
export const seenAgainMs = minuteMs;

export const maxHostBytes = 255;
export const maxSummaryBytes = 500;

export const defaultCreditMessages = 64;
export const maxCreditMessages = 1024;
export const defaultCreditBytes = 1 * MiB;
export const maxCreditBytes = 16 * MiB;
export const maxDeliveryIdBytes = 128;
export const maxReasonBytes = 500;

/** Returns, and presentations never confirmed, after which a message is dead-lettered. */
export const maxDeliveryAttempts = 5;
/** How long a returned message waits before it is offered again: doubled with each attempt. */
export const returnDelayMs = 500;
export const maxReturnDelayMs = minuteMs;

export const defaultPeersPageSize = 100;
export const defaultHistoryPageSize = 50;
/** A page holds fewer where they would exceed this, encoded. */
export const maxPageBytes = 1 * MiB;
export const maxPageTokenBytes = 1 * KiB;
/** Messages that may fit a shortened id before the caller is told that it is ambiguous. */
export const maxAmbiguous = 4;
/** Senders named in a Backlog, candidates named in an error. */
export const maxNamesTold = 8;
/** Names that are compared letter by letter with one that nobody has. */
export const maxNamesCompared = 200;
/** Messages that are ended in one go when their peer is deleted. */
export const deletionBatch = 256;

/** Messages that an agent or a person may send at once, and how many a second it regains. */
export const maxSendBurst = 600;
export const sendsPerSecond = 10;
/** Bytes of text and data that it may send at once, and how many a second it regains. */
export const maxSendBurstBytes = 8 * MiB;
export const sendBytesPerSecond = 128 * KiB;
/** Answers that may follow one another, each to the one before, within the window. */
export const maxHops = 12;
export const hopWindowMs = minuteMs;
/** How long the same text from one peer to another counts as a repeat. */
export const repeatWindowMs = 10_000;

/** After how long a sender may try again when a full queue, or the bound of all mail, refused its message. */
export const queueRetryMs = 30_000;
export const mailRetryMs = 10 * minuteMs;

/** Earlier names that are remembered of one peer; the oldest is forgotten first. */
export const maxFormerNames = 8;
/** Messages between two peers that are looked at to tell whether they know each other. */
export const maxAcquaintance = 20;

/** How long ended messages are collected before their sender is told, and how many one notice names. */
export const noticeDelayMs = 1000;
export const maxEndsTold = 20;

/** Messages expired in one go. How soon to look again at one that could not be expired, or that a session holds. */
export const expiryBatch = 100;
export const expiryRetryMs = 5000;

/** The longest wait for what expires next: the clock may be set forward, or the machine sleep, meanwhile. */
export const maxExpiryWaitMs = 600_000;
/** How long after its time a live session may still hold a message that it has not shown. */
export const holderGraceMs = minuteMs;

/** How often the broker looks for peers that nobody has been for long. */
export const retireIntervalMs = dayMs;

/** Events that a reader of WatchMessages may lag behind. */
export const maxWatchLag = 10_000;
/** What they may hold together, in bytes, encoded. */
export const maxWatchLagBytes = 8 * MiB;

/** Streams of all sessions, how many of them may be watches, and streams of each kind of the operator. */
export const maxStreams = 4096;
export const maxWatches = 256;
export const maxOperatorWatches = 32;
/** The same of all machines that read without a session, and of one of them. */
export const maxMachineWatches = 32;
export const maxWatchesOfMachine = 8;
/** How long a subscription that was replaced may take until its reader has taken its leave. */
export const farewellMs = 5000;
/** Messages that a subscription takes from its queue before its reader has room for them, in bytes. */
export const maxAheadBytes = 256 * KiB;

/** How long after its stream closed a peer is still shown as online: bridges a reconnect. */
export const presenceGraceMs = 3000;
/**
 * How long a peer is kept for the instance that had it when its broker ended. It is kept as long for one that has
 * just got it at another broker, until that broker says so.
 */
export const reclaimDelayMs = 1000;

/** How often a change is tried again that another broker forestalls. Each time somebody's change was made. */
export const maxConflicts = 16;
/** After how long brokers are told again of sessions, where the store did not take it. */
export const announceRetryMs = 1000;
/** How long a broker that stops waits until others know that its sessions have ended. */
export const announceEndMs = 1000;

/** Machines that are let in, and those that were revoked and are still listed. */
export const maxMachines = 256;
export const maxRevokedMachines = 64;
/** After how long a machine that calls is stored as used again. */
export const usedAgainMs = minuteMs;
/** The same where it calls from another address: one that has several is no write for each call. */
export const movedAgainMs = 10_000;
/** How long the connections of a machine that was revoked stay open, so that its last answer leaves. */
export const revokedLingerMs = 100;
/** Tokens to enrol with that are kept, how often one may be used, and how long it is good. */
export const maxEnrolments = 256;
export const maxEnrolmentUses = 1000;
export const defaultEnrolmentMs = 15 * minuteMs;
export const maxEnrolmentMs = 7 * dayMs;
/**
 * What one machine may have open, whatever it is: connections, calls, and streams among these. The streams are
 * fewer than the broker has room for of any kind (256 watches), so that one machine cannot take all of it.
 */
export const maxConnectionsOfMachine = 128;
export const maxCallsOfMachine = 512;
export const maxStreamsOfMachine = 192;
/** Connections in vain, wrong credentials and tokens from one address before it is refused, and how many a second are forgotten. */
export const maxGuessBurst = 100;
export const guessesPerSecond = 2;
/** How often the log tells of an address that guesses, at most. */
export const guessingToldMs = minuteMs;
/** Addresses whose guesses are counted. */
export const maxGuessingAddresses = 10_000;

/** Every bound that a caller can meet, as GetServerInfo states them; `set` are those that the operator sets. */
export function listLimits(store: Store, set: BrokerSettings): Limit[] {
  const own: [string, number, string][] = [
    ["text_bytes", maxTextBytes, "bytes of a message's text (UTF-8)"],
    ["data_bytes", maxDataBytes, "bytes of a message's data, encoded"],
    ["thread_id_bytes", maxThreadIdBytes, "bytes of a thread id"],
    ["recipients", maxRecipients, "recipients of one SendMessage"],
    ["expires_in_seconds", maxExpiresInMs / 1000, "seconds that a message may wait"],
    [
      "send_burst",
      maxSendBurst,
      "messages, one for each recipient, that an agent or a person may send at once",
    ],
    ["sends_per_second", sendsPerSecond, "messages a second that it may go on to send"],
    [
      "send_burst_bytes",
      maxSendBurstBytes,
      "bytes of text and data that an agent or a person may send at once",
    ],
    ["send_bytes_per_second", sendBytesPerSecond, "bytes a second that it may go on to send"],
    ["hops_per_minute", maxHops, "answers that may follow one another in a minute"],
    [
      "repeat_window_seconds",
      repeatWindowMs / 1000,
      "seconds in which the same text to the same peer is refused",
    ],
    ["delivery_attempts", maxDeliveryAttempts, "failed attempts before a message is dead-lettered"],
    ["request_bytes", maxMessageBytes, "bytes of one request, encoded"],
    ["instance_id_bytes", maxInstanceIdBytes, "bytes of an instance id"],
    ["conversation_id_bytes", maxConversationIdBytes, "bytes of a conversation id"],
    ["base_name_bytes", maxBaseNameBytes, "bytes of a base name"],
    ["client_name_bytes", maxClientNameBytes, "bytes of a client's name"],
    ["client_version_bytes", maxClientVersionBytes, "bytes of a client's version"],
    ["host_bytes", maxHostBytes, "bytes of a host name"],
    ["branch_bytes", maxBranchBytes, "bytes of a branch"],
    ["delivery_id_bytes", maxDeliveryIdBytes, "bytes of a delivery id"],
    ["page_token_bytes", maxPageTokenBytes, "bytes of a page token"],
    ["secret_bytes", maxSecretBytes, "bytes of a secret"],
    ["keyring", maxKeyring, "secrets in the keyring of one Register"],
    ...setLimits.map((name): [string, number, string] => [name, set[name], settings[name].what]),
    ["peer_burst", maxCreationBurst, "new peers that the broker makes at once"],
    [
      "peer_burst_of_connection",
      maxCreationBurstOfConnection,
      "of those, new peers over one connection",
    ],
    [
      "peer_burst_of_newcomers",
      creationBurstOfNewcomers,
      "of those, kept for connections over which none was made yet",
    ],
    [
      "peer_burst_of_machine",
      maxCreationBurstOfMachine,
      "of those, new peers of one other machine",
    ],
    [
      "peers_per_minute",
      creationsPerSecond * 60,
      "new peers a minute that the broker goes on to make",
    ],
    [
      "waiting_registrations",
      maxWaitingRegistrations,
      "registrations that wait for their turn together",
    ],
    [
      "waiting_registrations_of_connection",
      maxWaitingRegistrationsOfConnection,
      "of those, registrations over one connection",
    ],
    ["name_characters", maxNameLength, "characters of a peer's name"],
    ["summary_bytes", maxSummaryBytes, "bytes of a peer's summary"],
    ["path_bytes", maxPathBytes, "bytes of a working directory or root"],
    ["credit_messages", maxCreditMessages, "messages leased to one subscriber, not yet presented"],
    ["credit_bytes", maxCreditBytes, "bytes leased to one subscriber, not yet presented"],
    ["acks", maxAcks, "reports in one AckMessages"],
    ["reason_bytes", maxReasonBytes, "bytes of a report's reason"],
    ["peers_page", maxPeersPageSize, "peers on one page"],
    ["history_page", maxHistoryPageSize, "messages on one page of history"],
    [
      "connections",
      maxConnections,
      "connections that are open together; fewer under a low `ulimit -n`",
    ],
    ["calls", maxCalls, "calls that are open together, streams included"],
    ["calls_of_connection", maxCallsOfConnection, "of those, calls of one connection"],
    ["open_request_bytes", maxRequestBytes, "bytes of the requests of these calls, with headers"],
    ["streams", maxStreams, "streams that the sessions of the broker have open together"],
    ["watches", maxWatches, "of those, watches"],
    ["operator_watches", maxOperatorWatches, "streams of one kind open with the operator token"],
    ["watch_lag_bytes", maxWatchLagBytes, "bytes that a reader of WatchMessages may lag behind"],
    ["machines", maxMachines, "machines that are let in over TLS"],
    ["connections_of_machine", maxConnectionsOfMachine, "connections of one of them"],
    ["calls_of_machine", maxCallsOfMachine, "calls that it has open together, streams included"],
    ["streams_of_machine", maxStreamsOfMachine, "of those, streams"],
    [
      "machine_watches",
      maxMachineWatches,
      "streams of one kind that machines have open by their scope alone",
    ],
    ["watches_of_machine", maxWatchesOfMachine, "of those, streams of one machine"],
    ["enrolments", maxEnrolments, "tokens to enrol with that are open together"],
    ["watch_lag", maxWatchLag, "events that a reader of WatchMessages may lag behind"],
  ];
  const isOneOfSeveral = store.info.capabilities.several_brokers.has;
  return [
    ...own.map(([name, maximum, description]) =>
      isOneOfSeveral && countedByEach.has(name)
        ? limit(name, maximum, `${description}; each broker counts what it takes itself`)
        : limit(name, maximum, description),
    ),
    ...storeLimits(store),
  ];
}

/** What is spent over time. A broker knows only what was spent with itself. */
const countedByEach: ReadonlySet<string> = new Set([
  "send_burst",
  "sends_per_second",
  "send_burst_bytes",
  "send_bytes_per_second",
  "program_send_burst",
  "program_sends_per_second",
  "program_send_burst_bytes",
  "program_send_bytes_per_second",
  "hops_per_minute",
  "repeat_window_seconds",
  "peer_burst",
  "peer_burst_of_connection",
  "peer_burst_of_machine",
  "peers_per_minute",
]);

/** The settings that the store does not keep; it states its own. */
const setLimits = settingNames.filter(
  (name) => !["queue_messages", "queue_bytes", "mail_bytes"].includes(name),
);

function storeLimits(store: Store): Limit[] {
  return store.info.limits.map(({ name, maximum, description }) =>
    limit(name, maximum, description),
  );
}

function limit(name: string, maximum: number, description: string): Limit {
  return create(LimitSchema, { name, maximum: BigInt(maximum), description });
}
