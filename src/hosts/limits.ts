/** Calls of a host that is not known, or whose bound is not: most give up after 60 s. */
export const usualMaxWaitMs = 50_000;

/** Results for such a host. */
export const usualMaxResultBytes = 20_000;

/** A conversation id with its host's prefix, as the broker takes it. */
export const maxConversationIdBytes = 128;

/** A configuration file that is edited: Claude Code's grows with the projects it has seen, to some megabytes. */
export const maxConfigFileBytes = 64 * 1024 * 1024;

/** Objects and arrays in each other in a configuration file: hosts' own have about ten. */
export const maxJsonDepth = 500;
