/** How long an agent of the demo waits for mail that has to come, in milliseconds. */
export const mailWaitMs = 10_000;

/** How often, and after what pause in milliseconds, the demo looks for a last report to arrive. */
export const maxSettleLooks = 20;
export const settleLookMs = 50;
