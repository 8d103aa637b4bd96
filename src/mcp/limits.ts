const KiB = 1024;
const MiB = 1024 * KiB;

/** Results whose messages are not known to be read. The oldest is forgotten first, and proves nothing then. */
export const maxShownResults = 1024;

/** One line of JSON-RPC from the host. */
export const maxLineBytes = 4 * MiB;

/** Pieces in which a line is kept until it ends. */
export const maxLinePieces = 1024;

/** Of a longer line: each key and value of its outermost object. */
export const maxKeptTokenBytes = 256;

/** Requests of one batch that are answered, each with an error. */
export const maxBatchAnswers = 64;

/** Errors for what cannot be read that the host has not taken yet; more are not written. */
export const maxWaitingRefusals = 64;

/** A host that was greeted asks for the list of tools: it has it before what runs them is loaded. */
export const loadDelayMs = 50;

/** A tool call's time to reach the broker and be answered by it, with all its retries. */
export const callTimeoutMs = 10_000;

/** Versions of brokers that a host's log is told of. */
export const maxNotedVersions = 16;

/** Parting from the broker. The host kills what has not ended soon after it asked. */
export const closeTimeoutMs = 500;

/** What is left to write when all has ended may take this long, then the process ends without. */
export const lingerMs = 300;

/** Bytecode that a function of an adapter runs before it is compiled: it answers few calls, and compiled code is memory. */
export const adapterCompileBudget = 1_000_000;

/** Between two signs of life of a call that waits, where the host asked for them. */
export const progressIntervalMs = 5_000;

/**
 * How long a page may wait for what the broker has told of. It comes within milliseconds: this is for a broker
 * that is slow.
 */
export const fillPageMs = 1_000;

/** Peers in one answer of list_peers. */
export const maxListedPeers = 20;

/** Sends that were never answered, kept so that the same call again is the same message. */
export const maxUnansweredSends = 16;

/** What a result needs besides its messages: the counts, the senders and a note. */
export const resultEnvelopeBytes = 800;

/** After a call: then it is looked whether the agent has switched to another branch. */
export const placeDelayMs = 200;

/** A small file of git that holds a path or the name of a branch. */
export const maxGitFileBytes = 8 * KiB;

/** Git's configuration of a repository, with a section for each branch. */
export const maxGitConfigBytes = 256 * KiB;

/** Senders named in a doorbell. */
export const maxDoorbellNames = 4;

/** Their names together, in characters: as much as the longest name. */
export const maxDoorbellNameCharacters = 40;

/** Mail that comes within this is one doorbell. */
export const gatherMs = 200;

/** After the first doorbell for what is unread; then twice as long each time. */
export const firstRepeatMs = 30_000;

/** Doorbells for what is unread, in all. */
export const maxRings = 5;

/** A host of which no hook was seen is taken for idle when it has called nothing for this long. */
export const quietMs = 10_000;

/** A call within this after the session was woken shows that waking works. */
export const wakeProofMs = 120_000;

/** How much older than a hook a result must be, since the file system's clock ticks in steps of milliseconds. */
export const hookMarginMs = 20;

/** Between two looks whether the process that started the adapter is still its parent. */
export const hostCheckMs = 5_000;

/** How long a host whose process is no longer the parent may take to answer a ping. */
export const hostAnswerMs = 10_000;

/** Names of peers that are remembered with whose they were when the agent was shown them. */
export const maxKnownPeers = 1000;

/** What an agent or its user wrote, quoted in an answer, in characters. */
export const maxShownCharacters = 60;
