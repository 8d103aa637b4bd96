/** The file of a bell: a doorbell's line, filled up with line ends. */
export const bellBytes = 256;

/** A turn's word or a process's number, and room for what a shell adds. */
export const maxSmallFileBytes = 32;

/** Characters of a host's session id that may name a folder. */
export const maxBoxName = 100;

/** Folders of agents that ended without leaving, looked through when another begins. */
export const maxSweptBoxes = 200;

/** How long a folder without an agent is taken for one whose agent is about to come. */
export const newBoxMs = 60_000;

/** Attempts to take a folder that an older agent of the session is leaving. */
export const maxTakes = 3;
