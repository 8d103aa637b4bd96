import { expect } from "vitest";
import { type ProcessReading, readProcess } from "../support/process-reading.js";
import { maxGrowth, maxMoreDescriptors, roomMiB, warmUpParts } from "./limits.js";

/** Memory and descriptors of some processes, read at fixed points of a run and compared at its end. */
export class Readings<Name extends string> {
  readonly #pids: Readonly<Record<Name, number>>;
  readonly #rows: Row<Name>[] = [];

  constructor(pids: Readonly<Record<Name, number>>) {
    this.#pids = pids;
  }

  /** @param inputs so far. */
  take(inputs: number): void {
    const names = Object.keys(this.#pids) as Name[];
    const processes = names.map((name) => [name, readProcess(this.#pids[name])] as const);
    this.#rows.push({ inputs, of: Object.fromEntries(processes) as Row<Name>["of"] });
  }

  /** What it has now, more than at the first reading. */
  moreDescriptors(name: Name): number {
    const first = this.#rows[0]?.of[name].descriptors ?? 0;
    return readProcess(this.#pids[name]).descriptors - first;
  }

  /** One line for each reading, the newest last. */
  table(): string {
    const names = Object.keys(this.#pids) as Name[];
    const head = ["inputs", ...names.flatMap((name) => [`${name} MiB`, "descriptors"])];
    const lines = this.#rows.map(({ inputs, of }) => [
      String(inputs),
      ...names.flatMap((name) => [of[name].rssMiB.toFixed(0), String(of[name].descriptors)]),
    ]);
    const widths = head.map((title) => Math.max(title.length, 9));
    return [head, ...lines]
      .map((cells) => cells.map((cell, at) => cell.padStart(widths[at] ?? 0)).join("  "))
      .join("\n");
  }

  /**
   * Memory: the mean of the last third of the readings after the warm-up is held against that of the
   * first. Descriptors: the last reading against the one after the warm-up.
   *
   * @param lingering connections that are closed on this side only, at most.
   */
  expectNoGrowth(name: Name, lingering: number): void {
    const readings = this.#rows.slice(warmUpParts).map(({ of }) => of[name]);
    const third = Math.floor(readings.length / 3);
    const first = meanMiB(readings.slice(0, third));
    const last = meanMiB(readings.slice(-third));
    console.log(
      `${name}: ${first.toFixed(0)} MiB in the first third of the readings after the warm-up, ${last.toFixed(0)} MiB in the last`,
    );
    expect(last, `MiB of the ${name}`).toBeLessThan(Math.max(roomMiB, first * (1 + maxGrowth)));
    const more = (readings.at(-1)?.descriptors ?? NaN) - (readings[0]?.descriptors ?? NaN);
    expect(more, `more descriptors of the ${name}`).toBeLessThanOrEqual(
      maxMoreDescriptors + lingering,
    );
  }
}

interface Row<Name extends string> {
  readonly inputs: number;
  readonly of: Readonly<Record<Name, ProcessReading>>;
}

function meanMiB(readings: readonly ProcessReading[]): number {
  return readings.reduce((sum, { rssMiB }) => sum + rssMiB, 0) / readings.length;
}
