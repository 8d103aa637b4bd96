/** What was timed, in milliseconds of the machine's monotonic clock, which all its processes share. */
export interface Timing {
  readonly latenciesMs: readonly number[];
  readonly beginMs: number;
  readonly endMs: number;
}

/** What was timed of messages that were sent, delivered and confirmed: until the last one was. */
export interface Passage extends Omit<Timing, "latenciesMs"> {
  /** From the call until it is answered. */
  readonly sendsMs: readonly number[];
  /** From the call until its recipient has the message. */
  readonly deliveriesMs: readonly number[];
}

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Lets an action say when what is timed of it begins and ends, where that is not its whole. */
export interface Stopwatch {
  readonly begin: () => void;
  readonly end: () => void;
}

/** Does something so many times: each of `workers` one after the other, and all of them at once. */
export async function timeMany(
  count: number,
  workers: number,
  act: (watch: Stopwatch, worker: number) => Promise<unknown>,
): Promise<Timing> {
  const latenciesMs: number[] = [];
  let left = count;
  const beginMs = nowMs();
  const work = async (worker: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      let from = nowMs();
      let to: number | undefined;
      const watch: Stopwatch = { begin: () => (from = nowMs()), end: () => (to = nowMs()) };
      await act(watch, worker);
      latenciesMs.push((to ?? nowMs()) - from);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, count) }, (_, worker) => work(worker)));
  return { latenciesMs, beginMs, endMs: nowMs() };
}

/** How many a second, over processes that worked at the same time. */
export function rateOf(
  count: number,
  timings: readonly Pick<Timing, "beginMs" | "endMs">[],
): number {
  const beginMs = Math.min(...timings.map((timing) => timing.beginMs));
  const endMs = Math.max(...timings.map((timing) => timing.endMs));
  return (count / (endMs - beginMs)) * 1000;
}
