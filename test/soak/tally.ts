/** What a process of agents has done so far. */
export interface Tally {
  /** Messages accepted, one for each recipient. */
  accepted: number;
  /** Messages confirmed. */
  confirmed: number;
  /** Calls refused in good order: a storm limit, a name in use. */
  refused: number;
  /** Calls that failed otherwise. */
  failed: number;
}

export function newTally(): Tally {
  return { accepted: 0, confirmed: 0, refused: 0, failed: 0 };
}

export function sumTallies(tallies: Iterable<Tally>): Tally {
  const sum = newTally();
  for (const tally of tallies) {
    sum.accepted += tally.accepted;
    sum.confirmed += tally.confirmed;
    sum.refused += tally.refused;
    sum.failed += tally.failed;
  }
  return sum;
}
