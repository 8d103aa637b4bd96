import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { StoreError } from "../../broker/store/store.js";
import { fillingKey, fillingOf, halfFilled } from "./filling-mark.js";
import { startTimeoutMs } from "./limits.js";
import { explainApi, rootOf } from "./link-error.js";
import { openStreams, streamNames, type StreamNames, type StreamsOptions } from "./streams.js";
import { throughElection } from "./through-election.js";

/**
 * Opens streams for a move into them. They are marked until `endFilling`, so that no broker uses what was moved
 * by half:
 *
 * 1. Marked streams are those of a move that was interrupted: CONFLICT. With `again` they are removed.
 * 2. Streams that are not marked are never removed. Where they hold something, or a broker serves them, CONFLICT.
 * 3. They are marked, and looked at once more: a broker may have begun to serve them meanwhile.
 */
export async function beginFilling(
  options: StreamsOptions,
  { again, begun }: { again: boolean; begun: string },
): Promise<StreamNames> {
  const names = streamNames(options.nats.prefix);
  const present = await inform(options, names.mail);
  const before = present && fillingOf(present.config);
  if (before !== undefined) {
    if (!again) throw halfFilled(names.mail, before);
    await removeStreams(options, names);
  }
  const filled = { ...options, isFilling: true };
  await openStreams(filled);
  await requireUnused(options, names);
  await mark(options, names, begun);
  await requireUnused(options, names);
  return names;
}

/** From now on brokers use the streams. */
export async function endFilling(options: StreamsOptions): Promise<void> {
  await mark(options, streamNames(options.nats.prefix), undefined);
}

/**
 * The streams of records to be read. NOT_FOUND where there are none; CONFLICT where they were filled by half, or
 * another program reads them, as brokers do.
 */
export async function openFilled(options: StreamsOptions): Promise<StreamNames> {
  const names = streamNames(options.nats.prefix);
  for (const name of [names.mail, names.receipts, names.peers]) {
    const info = await inform(options, name);
    if (info === undefined) {
      const words = `There is nothing to move: JetStream has no stream ${name}.`;
      throw new StoreError("NOT_FOUND", words);
    }
    const begun = fillingOf(info.config);
    if (begun !== undefined) throw halfFilled(name, begun);
    requireNoReaders(info);
  }
  return names;
}

/** The mark is removed with the stream of mail, the last of them. */
async function removeStreams(options: StreamsOptions, names: StreamNames): Promise<void> {
  for (const name of [names.peers, names.receipts, names.mail]) {
    if ((await inform(options, name)) === undefined) continue;
    await explained(options, ({ streams }) => streams.delete(name));
  }
}

async function requireUnused(options: StreamsOptions, names: StreamNames): Promise<void> {
  const found: string[] = [];
  for (const name of [names.mail, names.receipts, names.peers]) {
    const info = await inform(options, name);
    if (info === undefined) continue;
    requireNoReaders(info);
    if (info.state.messages > 0) found.push(`${name} (${info.state.messages} records)`);
  }
  if (found.length === 0) return;
  throw new StoreError(
    "CONFLICT",
    `What is to be filled is not empty, in JetStream: ${found.join(", ")}. Set another prefix in [nats] of broker.toml, or remove these streams with \`nats stream rm\`.`,
  );
}

function requireNoReaders({ config, state }: StreamInfo): void {
  if (state.consumer_count === 0) return;
  throw new StoreError(
    "CONFLICT",
    `A broker serves the stream ${config.name} of JetStream: stop each broker over it with \`peerline stop\`, and wait until its readers are gone, some seconds.`,
  );
}

async function mark(
  options: StreamsOptions,
  { mail }: StreamNames,
  begun: string | undefined,
): Promise<void> {
  const info = await inform(options, mail);
  const { [fillingKey]: _before, ...metadata } = info?.config.metadata ?? {};
  const marked = begun === undefined ? metadata : { ...metadata, [fillingKey]: begun };
  await explained(options, ({ streams }) => streams.update(mail, { metadata: marked }));
}

async function inform(options: StreamsOptions, name: string): Promise<StreamInfo | undefined> {
  try {
    return await patiently(options, ({ streams }) => streams.info(name));
  } catch (cause) {
    const error = rootOf(cause);
    const isAbsent =
      error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
    if (isAbsent) return undefined;
    throw explainApi(cause, options.nats);
  }
}

async function explained<T>(
  options: StreamsOptions,
  request: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  try {
    return await patiently(options, request);
  } catch (cause) {
    throw explainApi(cause, options.nats);
  }
}

function patiently<T>(
  { link, clock }: StreamsOptions,
  request: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  return throughElection(link, { clock, endMs: clock.monotonic() + startTimeoutMs }, request);
}
