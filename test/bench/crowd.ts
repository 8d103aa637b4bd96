import type { BenchBroker } from "./broker.js";
import { clientProcesses, sendersOfProcess, textBytes } from "./limits.js";
import { LoadFleet, namesOf } from "./load-fleet.js";
import { rateOf } from "./timing.js";

/**
 * The clients of a broker at full speed. Each process has a reader, peers that are away, and 16 senders for
 * each of two loads: a sender may send 600 at once.
 */
export class Crowd implements AsyncDisposable {
  readonly label: string;
  readonly fleet: LoadFleet;

  private constructor(label: string, fleet: LoadFleet) {
    this.label = label;
    this.fleet = fleet;
  }

  static async gather(broker: BenchBroker, node: string): Promise<Crowd> {
    const fleet = new LoadFleet(node);
    const { address } = broker;
    try {
      await fleet.all(async (process, index) => {
        const crowd = ["storer", "writer"].flatMap((role) => rolesOf(role, index));
        await process.do("join", { address, names: [...crowd, ...awayOf(index)] });
        await process.do("join", { address, names: [readerOf(index)], own: true });
        await process.do("subscribe", { names: [readerOf(index)] });
      });
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return new Crowd(broker.build.label, fleet);
  }

  /** Messages a second, of so many that are stored. */
  async store(count: number): Promise<number> {
    const timings = await this.fleet.all((process, index) =>
      process.do("send", {
        from: rolesOf("storer", index),
        to: awayOf(index).map((name) => [name]),
        count: count / clientProcesses,
        textBytes,
      }),
    );
    return rateOf(count, timings);
  }

  /**
   * Messages a second, of so many that are stored, delivered and confirmed.
   *
   * @param inFlight how many each process sends at a time. Default: one for each sender.
   */
  async deliver(count: number, inFlight = sendersOfProcess): Promise<number> {
    const share = count / clientProcesses;
    await this.fleet.mark();
    const confirmed = this.fleet.all((process) =>
      process.do("expect", { count: share, state: "confirmed" }),
    );
    const sent = this.fleet.all((process, index) =>
      process.do("send", {
        from: rolesOf("writer", index),
        to: [[readerOf((index + 1) % clientProcesses)]],
        count: share,
        textBytes,
        inFlight,
      }),
    );
    const [ends, begins] = await Promise.all([confirmed, sent]);
    return rateOf(count, [
      ...begins,
      ...ends.map(({ endMs }) => ({ latenciesMs: [], beginMs: endMs, endMs })),
    ]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.fleet[Symbol.asyncDispose]();
  }
}

function rolesOf(role: string, process: number): string[] {
  return namesOf(role, process, sendersOfProcess);
}

/** Several, since a queue has a bound. */
function awayOf(process: number): string[] {
  return namesOf("away", process, 4);
}

function readerOf(process: number): string {
  return `reader-${process}`;
}
