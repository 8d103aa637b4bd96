/** What was measured: of each row and subject the values of each round. */
export class Samples {
  readonly #rows = new Map<string, Map<string, number[][]>>();

  /** Adds the values of a round, or to them. Rounds count from 0. */
  add(row: string, subject: string, round: number, values: readonly number[]): void {
    const subjects = this.#rows.get(row) ?? new Map<string, number[][]>();
    this.#rows.set(row, subjects);
    const rounds = subjects.get(subject) ?? [];
    subjects.set(subject, rounds);
    while (rounds.length <= round) rounds.push([]);
    rounds[round]?.push(...values);
  }

  /** The subjects of a row in the order in which they came. */
  of(row: string): ReadonlyMap<string, readonly (readonly number[])[]> {
    return this.#rows.get(row) ?? new Map();
  }
}
