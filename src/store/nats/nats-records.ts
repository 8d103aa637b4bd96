import type { RecordStore } from "../../broker/store/transfer.js";
import type { Clock } from "../../clock.js";
import { connectLink } from "./connect.js";
import { beginFilling, endFilling, openFilled } from "./filling.js";
import type { NatsOptions } from "../../contract/nats-options.js";
import { Publisher } from "./publish.js";
import { recordCopies } from "./record-copies.js";
import type { StreamNames, StreamsOptions } from "./streams.js";

export interface NatsPlace {
  readonly nats: NatsOptions;
  /** Of this program. */
  readonly version: string;
  readonly clock: Clock;
  /** See `StreamsOptions`. */
  readonly mailBytes: number;
}

interface OpenedRecords extends AsyncDisposable {
  readonly records: RecordStore;
}

/** The records of streams that no broker serves. CONFLICT where one does; NOT_FOUND where there are no streams. */
export async function openNatsSource(place: NatsPlace): Promise<OpenedRecords> {
  return open(place, async (options) => ({ names: await openFilled(options), more: {} }));
}

/** Streams to be filled, which brokers refuse until they are kept. See `beginFilling`. */
export async function openNatsTarget(
  place: NatsPlace,
  how: { again: boolean; begun: string },
): Promise<OpenedRecords & { keep(): Promise<void> }> {
  return open(place, async (options) => {
    const names = await beginFilling(options, how);
    return { names, more: { keep: () => endFilling(options) } };
  });
}

async function open<T extends object>(
  { nats, version, clock, mailBytes }: NatsPlace,
  prepare: (options: StreamsOptions) => Promise<{ names: StreamNames; more: T }>,
): Promise<OpenedRecords & T> {
  const link = await connectLink(nats, { version, clock });
  try {
    const { names, more } = await prepare({ link, clock, nats, mailBytes });
    const publisher = new Publisher({ link, clock });
    return {
      ...more,
      records: recordCopies({ link, publisher, names, prefix: nats.prefix }),
      async [Symbol.asyncDispose]() {
        await publisher[Symbol.asyncDispose]();
        await link[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
}
