import { deliveryBytes } from "./limits.js";

const MiB = 1024 * 1024;

/** What an operator may set of a broker: a whole number within its bounds. */
export interface Setting {
  /** The table of `broker.toml` that it stands in. */
  readonly table: "limits" | "retention";
  readonly usual: number;
  readonly least: number;
  readonly most: number;
  /** What is counted. */
  readonly what: string;
}

/**
 * Every setting, by its name. A limit has the name that GetServerInfo states it under. Rates are set for
 * programs alone: an agent that loops is held up whatever the file says.
 */
export const settings = {
  program_send_burst: {
    table: "limits",
    usual: 600,
    // A message may have so many recipients, each counting.
    least: 256,
    most: 1_000_000,
    what: "messages, one for each recipient, that a program may send at once",
  },
  program_sends_per_second: {
    table: "limits",
    usual: 10,
    least: 1,
    most: 100_000,
    what: "messages a second that a program may go on to send",
  },
  program_send_burst_bytes: {
    table: "limits",
    usual: 8 * MiB,
    least: 64 * 1024,
    most: 1024 * MiB,
    what: "bytes of text and data that a program may send at once",
  },
  program_send_bytes_per_second: {
    table: "limits",
    usual: 128 * 1024,
    least: 1024,
    most: 1024 * MiB,
    what: "bytes a second that a program may go on to send",
  },
  peers: {
    table: "limits",
    usual: 10_000,
    least: 16,
    most: 100_000,
    what: "peers of the broker",
  },
  queue_messages: {
    table: "limits",
    usual: 10_000,
    least: 64,
    most: 1_000_000,
    what: "messages that wait or are being handled in one queue; of one sender at most a quarter of what is free",
  },
  queue_bytes: {
    table: "limits",
    usual: 64 * MiB,
    least: MiB,
    most: 16 * 1024 * MiB,
    what: "bytes of those messages, encoded; of one sender at most a quarter of what is free",
  },
  mail_bytes: {
    table: "limits",
    usual: 1024 * MiB,
    least: 4 * MiB,
    most: 1024 * 1024 * MiB,
    what: `bytes of all messages that are kept, encoded, and ${deliveryBytes} for each recipient; of one sender at most a quarter of what is free`,
  },
  closed_messages_days: {
    table: "retention",
    usual: 30,
    least: 1,
    most: 3650,
    what: "days that a message is kept, once it is over for each recipient; a repeated id is known as long",
  },
  unseen_peers_days: {
    table: "retention",
    usual: 90,
    least: 1,
    most: 3650,
    what: "days after which a peer that nobody has been is removed, with no mail waiting",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

/** A value for each setting. */
export type BrokerSettings = Readonly<Record<SettingName, number>>;

export const settingNames = Object.keys(settings) as SettingName[];

/** The values where the operator says nothing. */
export const usualSettings: BrokerSettings = withSettings((name) => settings[name].usual);

/** A value for each setting, asked for by its name. */
export function withSettings(valueOf: (name: SettingName) => number): BrokerSettings {
  return Object.fromEntries(settingNames.map((name) => [name, valueOf(name)])) as Record<
    SettingName,
    number
  >;
}
