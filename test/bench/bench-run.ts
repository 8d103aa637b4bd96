import { join } from "node:path";
import { mkdir } from "node:fs/promises";
import { BenchBroker } from "./broker.js";
import type { Build } from "./build.js";
import type { Counts } from "./limits.js";
import type { Mailbox } from "./mailbox.js";
import { Samples } from "./samples.js";
import { TemporaryFolder } from "./temporary-folder.js";

/** One run: what is measured, how much, and what came of it. */
export class Bench {
  readonly counts: Counts;
  /** This checkout's first. */
  readonly builds: readonly [Build, ...Build[]];
  /** Those that are installed. */
  readonly rivals: readonly Mailbox[];
  /** The Node that runs all that is measured. */
  readonly node: string;
  /** Where filled stores are kept; undefined where they are not. */
  readonly stores: string | undefined;
  /** The ids of the rows that are asked for. */
  readonly wanted: ReadonlySet<string>;
  readonly samples = new Samples();
  /** What readers of the figures have to know, beside them. */
  readonly notes: string[] = [];
  /** The run is called off. */
  readonly signal: AbortSignal;
  readonly #tell: (words: string) => void;

  constructor(options: {
    counts: Counts;
    builds: readonly [Build, ...Build[]];
    rivals: readonly Mailbox[];
    node: string;
    wanted: Iterable<string>;
    stores: string | undefined;
    signal: AbortSignal;
    tell: (words: string) => void;
  }) {
    this.counts = options.counts;
    this.builds = options.builds;
    this.rivals = options.rivals;
    this.node = options.node;
    this.wanted = new Set(options.wanted);
    this.stores = options.stores;
    this.signal = options.signal;
    this.#tell = options.tell;
  }

  /** Counts from 0; ends with an error when the run is called off. */
  *rounds(count: number = this.counts.rounds): Generator<number> {
    for (let round = 0; round < count; round++) {
      this.signal.throwIfAborted();
      yield round;
    }
  }

  /** Tells whoever waits how far it is. */
  tell(words: string): void {
    this.signal.throwIfAborted();
    this.#tell(words);
  }

  /** A broker of each build, each with a home of its own; in the order of the builds. */
  async startBrokers(): Promise<Brokers> {
    const folder = await TemporaryFolder.make();
    const brokers: BenchBroker[] = [];
    const end = async (): Promise<void> => {
      for (const broker of brokers) await broker[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    };
    try {
      for (const [index, build] of this.builds.entries()) {
        const home = join(folder.path, String(index));
        await mkdir(home, { mode: 0o700 });
        brokers.push(await BenchBroker.start(build, home, this.node));
      }
    } catch (error) {
      await end();
      throw error;
    }
    return { all: brokers, [Symbol.asyncDispose]: end };
  }
}

export interface Brokers extends AsyncDisposable {
  readonly all: readonly BenchBroker[];
}
