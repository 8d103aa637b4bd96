import { StoreError } from "../broker/store/store.js";
import type { RecordStore } from "../broker/store/transfer.js";
import { RecordSums, type RecordKind, type RecordTotals } from "./record-sums.js";

/** What a move has shown: what each store holds, as it was read back from it afterwards. */
export interface MoveProof {
  readonly source: RecordTotals;
  readonly target: RecordTotals;
  /** What could not be moved, in words. */
  readonly leftOut: readonly string[];
  /** The kinds of which the two do not hold the same. */
  readonly different: readonly RecordKind[];
}

/**
 * Copies every record from one store to another, and proves it:
 *
 * 1. The target holds nothing. Else CONFLICT, whose message says what is there.
 * 2. Records go over page by page.
 * 3. Both stores are read anew, and what they hold is summed.
 *
 * @param options.onPage hears how many records have gone over.
 */
export async function moveRecords(options: {
  from: RecordStore;
  to: RecordStore;
  onPage?: (records: number) => void;
}): Promise<MoveProof> {
  const { from, to, onPage = () => {} } = options;
  await requireEmpty(to);
  let moved = 0;
  for await (const page of from.export(() => {})) {
    if (page.length === 0) continue;
    await to.import(page);
    moved += page.length;
    onPage(moved);
  }
  const leftOut: string[] = [];
  const source = await totalsOf(from, (words) => leftOut.push(words));
  const target = await totalsOf(to, (words) => leftOut.push(words));
  const kinds = Object.keys(source.sums) as RecordKind[];
  const different = kinds.filter((kind) => source.sums[kind] !== target.sums[kind]);
  return { source, target, leftOut, different };
}

export async function totalsOf(
  records: RecordStore,
  leftOut: (words: string) => void = () => {},
): Promise<RecordTotals> {
  const sums = new RecordSums();
  for await (const page of records.export(leftOut)) for (const record of page) sums.add(record);
  return sums.totals();
}

/** CONFLICT where there is any record; its message says of what kinds. */
export async function requireEmpty(records: RecordStore): Promise<void> {
  let damaged = 0;
  const { counts } = await totalsOf(records, () => (damaged += 1));
  const found = [
    [counts.peer, "peers"],
    [counts.machine, "machines"],
    [counts.enrolment, "tokens to join with"],
    [counts.delivery + damaged, "messages"],
  ] as const;
  const words = found.filter(([count]) => count > 0).map(([count, what]) => `${what} (${count})`);
  if (words.length === 0) return;
  throw new StoreError("CONFLICT", `It is not empty: it holds ${words.join(", ")}.`);
}
