/** How a broker's process ends, for those who started it. */
export const brokerExit = {
  /** Stopped in good order, or another broker already serves this home. */
  done: 0,
  /** Could not start, or could not stop in good order. */
  failed: 1,
  /** The database was written by a newer version: starting again will not help. */
  storeNewer: 10,
  /** The database is damaged, or none of ours: starting again will not help. */
  storeDamaged: 12,
  /** A defect: the process ended rather than go on in an unknown state. */
  crashed: 11,
} as const;
