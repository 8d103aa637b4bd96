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

/** The file of a bell: a doorbell's line, filled up with line ends. */
export const bellBytes = 256;

/** A turn's word, a process's stamp or a conversation's name, and room for what a shell adds. */
export const maxSmallFileBytes = 160;

/** How often the folder of an agent is looked at where it cannot be watched. */
export const unwatchedLookMs = 1000;

/** Characters of a host's session id that may name a folder. */
export const maxBoxName = 100;

/** Folders of agents that ended without leaving, looked through when another begins. */
export const maxSweptBoxes = 200;

/** How long a folder without an agent is taken for one whose agent is about to come. */
export const newBoxMs = 60_000;

/**
 * How long the folder of an agent of another container or boot is kept after it was last seen.
 * Whether that agent runs cannot be told from here.
 */
export const foreignBoxMs = 7 * 24 * 3_600_000;

/** Processes between a host and the server that it starts: shells, package runners, version managers. */
export const maxWrappers = 8;

/** Attempts to take a folder that an older agent of the session is leaving. */
export const maxTakes = 3;

/** How long a host waits for a doorbell's hook, which takes some milliseconds; a host waits a minute or longer by itself. */
export const hookSeconds = 5;
