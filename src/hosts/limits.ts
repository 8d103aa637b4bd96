/** Calls of a host that is not known: most give up after 60 s. */
export const unknownHostMaxWaitMs = 50_000;

/** Results for a host that is not known. */
export const unknownHostMaxResultBytes = 20_000;

/** Claude Code allows hours by default, and half an hour without progress. */
export const claudeCodeMaxWaitMs = 600_000;

/** Claude Code shows 30,000 characters whole, and cuts what exceeds 25,000 tokens or about 50,000 characters. */
export const claudeCodeMaxResultBytes = 30_000;

/**
 * A program of Codex's code mode yields after 30 s, and what a call inside it returns later may never be
 * seen by the model. Outside of it Codex gives a call up after 300 s.
 */
export const codexMaxWaitMs = 25_000;

/** Codex cuts a result to about 12,000 characters. */
export const codexMaxResultBytes = 10_000;

/** Gemini CLI gives a call up after 600 s by default, with or without progress. */
export const geminiCliMaxWaitMs = 540_000;

/** Gemini CLI cuts the middle out of a result of more than 40,000 characters. */
export const geminiCliMaxResultBytes = 30_000;

/** A conversation id with its host's prefix, as the broker takes it. */
export const maxConversationIdBytes = 128;

/** A configuration file that is edited: Claude Code's grows with the projects it has seen, to some megabytes. */
export const maxConfigFileBytes = 64 * 1024 * 1024;

/** How long Codex is told that a call may take, in seconds: its default, written down because a wait depends on it. */
export const codexToolTimeoutSeconds = 300;

/** `codex queue` answers in a fraction of a second where the thread is open. */
export const codexQueueMs = 10_000;

/** How long a host waits for a doorbell's hook, which takes some milliseconds; a host waits a minute or longer by itself. */
export const hookSeconds = 5;

/** How long Claude Code lets the process wait that wakes an idle session: near the most that a timer takes. */
export const rewakeSeconds = 2_000_000;

/** Objects and arrays in each other in a configuration file: hosts' own have about ten. */
export const maxJsonDepth = 500;
