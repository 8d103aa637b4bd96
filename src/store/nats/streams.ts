import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { StoreError } from "../../broker/store/store.js";
import type { Clock } from "../../clock.js";
import type { Link } from "./connect.js";
import { fillingOf, halfFilled } from "./filling-mark.js";
import { explainApi, rootOf } from "./link-error.js";
import {
  duplicateWindowMs,
  maxPeersBytes,
  maxStreamConsumers,
  maxStreamTries,
  startTimeoutMs,
} from "./limits.js";
import type { NatsOptions } from "../../contract/nats-options.js";
import { throughElection } from "./through-election.js";

/** The names of the streams. The subjects of each begin with the prefix, a dot, and the word given here. */
export interface StreamNames {
  /** `mail`: a message for one recipient, one of each subject. It is never changed. */
  readonly mail: string;
  /** `receipt`: where one delivery stands. The last message of each subject is kept. */
  readonly receipts: string;
  /** `peers`: records of peers, machines and enrolments; the last message of each subject is kept. */
  readonly peers: string;
}

export function streamNames(prefix: string): StreamNames {
  return {
    mail: `${prefix}-mail`,
    receipts: `${prefix}-receipts`,
    peers: `${prefix}-peers`,
  };
}

export interface StreamsOptions {
  readonly link: Link;
  readonly clock: Clock;
  readonly nats: NatsOptions;
  /** What the messages of all mail may occupy. The engine refuses more. */
  readonly mailBytes: number;
  /** Whoever fills the streams opens them though they are marked: see `beginFilling`. */
  readonly isFilling?: boolean;
}

/**
 * Makes the streams that are not there, and widens those whose bounds are narrower than is wanted. It never
 * narrows one: another gateway, or its operator, may have set it. Several gateways may do this at once.
 * Each stream is read back, since servers ignore what they do not know. NEWER_VERSION where a newer
 * version made one. CONFLICT while a move fills them, and after one that was interrupted. FULL where the
 * servers have no room for one. UNAVAILABLE with the reason for the rest.
 */
export async function openStreams(options: StreamsOptions): Promise<StreamNames> {
  const { nats, mailBytes } = options;
  const names = streamNames(nats.prefix);
  const { replicas } = nats;
  const subjects = (word: string) => [`${nats.prefix}.${word}.>`];
  const wanted = [
    shape(names.mail, subjects("mail"), { replicas, maxBytes: mailBytes, takesOneOfEach: true }),
    // A receipt is smaller than its message.
    shape(names.receipts, subjects("receipt"), { replicas, maxBytes: mailBytes }),
    shape(names.peers, subjects("peers"), { replicas, maxBytes: maxPeersBytes }),
  ];
  for (const config of wanted) await openStream(options, config);
  return names;
}

type Shape = Pick<
  StreamConfig,
  | "name"
  | "subjects"
  | "storage"
  | "retention"
  | "num_replicas"
  | "max_consumers"
  | "max_msgs"
  | "max_msgs_per_subject"
  | "max_bytes"
  | "max_age"
  | "max_msg_size"
  | "discard"
  | "discard_new_per_subject"
  | "duplicate_window"
  | "allow_rollup_hdrs"
  | "allow_direct"
  | "deny_delete"
  | "deny_purge"
> & { readonly metadata: Record<string, string> };

/** Of the form in which records stand in the streams. */
const schema = 1;
const schemaKey = "peerline.schema";

function shape(
  name: string,
  subjects: string[],
  kept: { replicas: number; maxBytes: number; takesOneOfEach?: boolean },
): Shape {
  return {
    name,
    subjects,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    num_replicas: kept.replicas,
    max_consumers: maxStreamConsumers,
    max_msgs: -1,
    max_msgs_per_subject: 1,
    max_bytes: kept.maxBytes,
    max_age: 0,
    max_msg_size: -1,
    // What is full refuses, and loses nothing.
    discard: DiscardPolicy.New,
    discard_new_per_subject: kept.takesOneOfEach === true,
    duplicate_window: duplicateWindowMs * 1e6,
    allow_rollup_hdrs: false,
    // Any server answers for what never changes.
    allow_direct: true,
    deny_delete: false,
    deny_purge: false,
    metadata: { [schemaKey]: String(schema) },
  };
}

/** Those that may be set anew, and of which more will do as well. */
const bounds = ["num_replicas", "max_bytes", "duplicate_window"] as const;

async function openStream(options: StreamsOptions, wanted: Shape): Promise<void> {
  const endMs = options.clock.monotonic() + startTimeoutMs;
  for (let tries = 1; ; tries += 1) {
    const found = await ask(options, endMs, wanted, (streams) =>
      streams.info(wanted.name).then(({ config }) => config),
    );
    if (found !== undefined) {
      requireOurs(found, options.nats);
      if (options.isFilling !== true) requireWhole(found);
      const changes = changesTo(found, wanted);
      if (Object.keys(changes).length === 0) return requireShape(found, wanted);
      if (tries > maxStreamTries) throw differs(wanted.name, Object.keys(changes));
      await ask(options, endMs, wanted, (streams) => streams.update(wanted.name, { ...changes }));
    } else if (tries <= maxStreamTries) {
      await ask(options, endMs, wanted, (streams) => streams.add({ ...wanted }));
    } else {
      throw unavailable(`The stream ${wanted.name} of JetStream is removed each time it is made.`);
    }
  }
}

/** What is to be changed so that the stream will do. What cannot be changed is not in it. */
function changesTo(found: StreamConfig, wanted: Shape): Partial<Shape> {
  const changes: Partial<Shape> = {};
  for (const key of bounds) {
    const isUnbounded = key === "max_bytes" && found[key] === -1;
    if (!isUnbounded && found[key] < wanted[key]) changes[key] = wanted[key];
  }
  if (found.allow_direct !== wanted.allow_direct) changes.allow_direct = wanted.allow_direct;
  return changes;
}

function requireOurs({ name, metadata }: StreamConfig, { prefix }: NatsOptions): void {
  const text = metadata?.[schemaKey] ?? "";
  if (!/^\d{1,9}$/.test(text)) {
    throw unavailable(
      `The stream ${name} of JetStream was not made by Peerline: set another prefix than "${prefix}" in [nats] of broker.toml.`,
    );
  }
  if (Number(text) > schema) {
    throw new StoreError(
      "NEWER_VERSION",
      `The stream ${name} of JetStream was written by a newer version of Peerline (form ${text}, this one knows ${schema}). Update this one.`,
    );
  }
}

function requireWhole(found: StreamConfig): void {
  const begun = fillingOf(found);
  if (begun !== undefined) throw halfFilled(found.name, begun);
}

/** Everything that is not a bound has to be as it is wanted. */
function requireShape(found: StreamConfig, wanted: Shape): void {
  const keys = Object.keys(wanted) as (keyof Shape)[];
  const different = keys.filter((key) => {
    if (key === "metadata" || bounds.some((bound) => bound === key)) return false;
    // More consumers, or any number, will do.
    if (key === "max_consumers") {
      return found[key] !== -1 && found[key] < wanted[key];
    }
    // Servers leave out some of what is false.
    return JSON.stringify(found[key] ?? false) !== JSON.stringify(wanted[key]);
  });
  if (different.length > 0) {
    const words = different.map(
      (key) =>
        `${key} is ${JSON.stringify(found[key] ?? false)}, not ${JSON.stringify(wanted[key])}`,
    );
    throw differs(wanted.name, words);
  }
}

function differs(name: string, words: readonly string[]): StoreError {
  return unavailable(
    `The stream ${name} of JetStream has another configuration than Peerline gave it (${words.join(", ")}). Set it back with \`nats stream edit\`, or set another prefix in [nats] of broker.toml.`,
  );
}

function unavailable(sentence: string, cause?: unknown): StoreError {
  return new StoreError("UNAVAILABLE", sentence, { cause });
}

type StreamsApi = Link["manager"]["streams"];

/** One request. Undefined where the stream is not there, or another gateway was first. */
async function ask<T>(
  { link, clock, nats }: StreamsOptions,
  endMs: number,
  { name, subjects }: Shape,
  request: (streams: StreamsApi) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await throughElection(link, { clock, endMs }, ({ streams }) => request(streams));
  } catch (cause) {
    const error = rootOf(cause);
    const code = error instanceof JetStreamApiError ? error.code : undefined;
    if (code === JetStreamApiCodes.StreamNotFound || code === nameTaken) return undefined;
    const problem = problems[code ?? 0]?.({ name, subjects, nats });
    if (problem === undefined) throw explainApi(cause, nats);
    throw new StoreError(problem.code, problem.words, { cause });
  }
}

/** With another configuration: it is looked at then. */
const nameTaken = 10_058;

interface Place {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly nats: NatsOptions;
}

type Problem = (place: Place) => { code: "FULL" | "UNAVAILABLE"; words: string };

const noRoom: Problem = ({ name }) => ({
  code: "FULL",
  words: `JetStream has no room for the stream ${name}: give the account, or max_file of the servers' jetstream block, more; or set mail_bytes in [limits] of broker.toml lower.`,
});

const tooFewServers: Problem = ({ nats }) => ({
  code: "UNAVAILABLE",
  words: `JetStream cannot keep each stream on ${nats.replicas} servers: start as many in one cluster, or set replicas in [nats] of broker.toml to 1. A server that runs and is not in \`nats server report jetstream\` has to be started again.`,
});

const problems: Readonly<Record<number, Problem>> = {
  10_002: noRoom,
  10_023: noRoom,
  10_028: noRoom,
  10_047: noRoom,
  10_122: noRoom,
  // In a cluster, and without one.
  10_005: tooFewServers,
  10_074: tooFewServers,
  10_065: ({ name, subjects, nats }) => ({
    code: "UNAVAILABLE",
    words: `Another stream of JetStream than ${name} keeps ${subjects.join(", ")}: set another prefix than "${nats.prefix}" in [nats] of broker.toml.`,
  }),
};
