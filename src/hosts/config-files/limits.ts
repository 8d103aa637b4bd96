/** A configuration file that is edited: Claude Code's grows with the projects it has seen, to some megabytes. */
export const maxConfigFileBytes = 64 * 1024 * 1024;

/** Objects and arrays in each other in a configuration file: hosts' own have about ten. */
export const maxJsonDepth = 500;
