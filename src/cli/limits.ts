/** The pause before a lost broker is looked for again, in milliseconds: doubled each time, up to the greatest. */
export const firstReconnectDelayMs = 100;
export const maxReconnectDelayMs = 5000;

/** How long one unary call may take, in milliseconds. */
export const callTimeoutMs = 10_000;

/** How long `send` waits, in all, for what was sent before to have been long enough ago, in milliseconds. */
export const maxTurnWaitMs = 10_000;

/** How long a purge may take, in milliseconds: it goes through all that a peer sent. */
export const purgeTimeoutMs = 120_000;

/** How long `stop` waits for the broker's process to end, in milliseconds, and how long between looks. */
export const stopWaitMs = 10_000;
export const stopLookMs = 25;

/** Messages that `log` shows by default, and at most. */
export const defaultLogCount = 20;
export const maxLogCount = 2000;

/** Messages that a search of the history looks at. */
export const maxSearched = 20_000;

/** Messages that `log -f` knows as shown, so that it shows none twice after a lost connection. */
export const maxLogMemory = 2 * maxLogCount;

/** Longer lines are not shown whole where a part of one changes, in characters: a configuration may be one line. */
export const maxDifferenceLineLength = 200;

/** Of a command line that was not understood, what is quoted to show how it is written, in characters. */
export const maxQuotedCharacters = 60;

/** How long an agent of the demo waits for mail that has to come, in milliseconds. */
export const mailWaitMs = 10_000;

/** How often, and after what pause in milliseconds, the demo looks for a last report to arrive. */
export const maxSettleLooks = 20;
export const settleLookMs = 50;
