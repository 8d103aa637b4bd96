import { sleep } from "../../src/clock.js";
import { progressTimeoutMs } from "./limits.js";
import { table } from "./summary.js";

/** Who says when a gateway last accepted a message that was sent after a given moment. */
export interface Probe {
  readonly name: string;
  /** Of the last send that was accepted: when it began. */
  readonly acceptedSinceMs: number;
}

/** How long nothing was accepted, fault by fault. */
export class Outages {
  readonly #probes: readonly Probe[];
  readonly #lines = new Map<string, { silentMs: number[]; wholeMs: number[] }>();
  #lastMs = performance.now();
  #longestMs = 0;

  constructor(probes: readonly Probe[]) {
    this.#probes = probes;
  }

  /** Some message was accepted, wherever. */
  accepted(): void {
    const nowMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /**
   * Does harm, and measures from its beginning: the longest time in which nothing was accepted, and how long each
   * gateway takes until it accepts again. What counts is sent after the harm was over.
   */
  async measure(fault: string, harm: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    this.#lastMs = startMs;
    this.#longestMs = 0;
    await harm();
    const overMs = performance.now();
    const isBack = ({ acceptedSinceMs }: Probe): boolean => acceptedSinceMs > overMs;
    while (!this.#probes.every(isBack)) {
      if (performance.now() - overMs > progressTimeoutMs) {
        const away = this.#probes.filter((probe) => !isBack(probe)).map(({ name }) => name);
        throw new Error(`after "${fault}" nothing is accepted at ${away.join(", ")}`);
      }
      await sleep(20);
    }
    const nowMs = performance.now();
    const line = this.#lines.get(fault) ?? { silentMs: [], wholeMs: [] };
    this.#lines.set(fault, line);
    line.silentMs.push(Math.max(this.#longestMs, nowMs - this.#lastMs));
    line.wholeMs.push(nowMs - startMs);
  }

  /** Seconds, the median and the longest of each fault, as a table of Markdown. */
  summarize(): string {
    const rows = [...this.#lines]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([fault, { silentMs, wholeMs }]) => [
        fault,
        silentMs.length,
        inSeconds(silentMs),
        inSeconds(wholeMs),
      ]);
    return table(
      ["fault", "times", "s without any accepted send", "s until both gateways accept"],
      rows,
    );
  }
}

function inSeconds(timesMs: readonly number[]): string {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const longest = sorted.at(-1) ?? 0;
  return `${(median / 1000).toFixed(1)} (${(longest / 1000).toFixed(1)})`;
}
