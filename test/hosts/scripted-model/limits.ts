/** How long a text may take to reach a model: hosts start slowly on a busy machine. */
export const maxWaitMs = 60_000;
