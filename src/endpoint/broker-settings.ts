import { isIP } from "node:net";
import {
  settingNames,
  settings,
  usualSettings,
  withSettings,
  type BrokerSettings,
  type SettingName,
} from "../contract/settings.js";
import { formatAddress, readAddress, type Address } from "./endpoint.js";
import type { GivenPaths } from "./given-certificate.js";
import {
  invalid,
  isTable,
  parseToml,
  readPath,
  readTables,
  requireKeys,
  shown,
} from "./settings-file.js";
import { natsTable, readStore, storeKey } from "./store-settings.js";

/**
 * What the operator has set in `broker.toml`, and the usual value of all else. CONFIG_INVALID where the
 * file cannot be read, says what is no setting, or sets a value out of bounds: the message names the
 * place and what would do.
 */
export async function readBrokerSettings(path: string): Promise<BrokerSettings> {
  const tables = await readTables(path);
  if (tables === undefined) return usualSettings;
  const given = new Map<SettingName, number>();
  readStore(path, tables);
  for (const [table, values] of Object.entries(tables)) {
    if (table === storeKey || table === natsTable) continue;
    if (table === shareTable) {
      readShare(path, values);
      continue;
    }
    const names = namesIn(table);
    if (names.length === 0 || !isTable(values)) {
      const known = [...new Set(settingNames.map((name) => settings[name].table)), natsTable];
      const use = `use ${known.map((name) => `[${name}]`).join(", ")} and [${shareTable}]`;
      throw invalid(
        path,
        table,
        `is no table of settings: ${use}; \`${storeKey}\` stands above them`,
      );
    }
    for (const [key, value] of Object.entries(values)) {
      const name = names.find((one) => one === key);
      if (name === undefined) {
        const use =
          key === storeKey ? "write it above the first table" : `use one of ${names.join(", ")}`;
        throw invalid(path, `${table}.${key}`, `is no setting: ${use}`);
      }
      given.set(name, readValue(path, name, value));
    }
  }
  return withSettings((name) => given.get(name) ?? usualSettings[name]);
}

/** Where the broker answers other machines. */
export interface ShareSettings {
  /** As it listens: the IP address of one network, or of all, and a port. */
  readonly listen: Address;
  /** As other machines reach it. */
  readonly address: Address;
  /** Where the certificate is that it proves itself with. By default it makes one of its own. */
  readonly given?: GivenPaths;
  /** The absolute path of the authorities of other machines' certificates, which are asked for. By default none is. */
  readonly clientCa?: string;
}

/** The keys and values of the table, in the order in which they are written. */
export function shareRows({ listen, address, given, clientCa }: ShareSettings): [string, string][] {
  return [
    ["listen", formatAddress(listen)],
    ["address", formatAddress(address)],
    ...(given === undefined
      ? []
      : ([
          ["tls_cert", given.certificate],
          ["tls_key", given.key],
        ] as [string, string][])),
    ...(clientCa === undefined ? [] : ([["client_ca", clientCa]] as [string, string][])),
  ];
}

/** What the table `[share]` of `broker.toml` says; undefined where it is not there. CONFIG_INVALID as above. */
export async function readShareSettings(path: string): Promise<ShareSettings | undefined> {
  const tables = await readTables(path);
  return tables === undefined || !(shareTable in tables)
    ? undefined
    : readShare(path, tables[shareTable]);
}

/** Whether a text of `broker.toml` has that table in any form. CONFIG_INVALID where it is no TOML. */
export async function hasShareTable(path: string, text: string): Promise<boolean> {
  return shareTable in (await parseToml(path, text));
}

/** The table's name in `broker.toml`. */
export const shareTable = "share";

function readShare(path: string, values: unknown): ShareSettings {
  if (!isTable(values))
    throw invalid(path, shareTable, "is no table: write [share] on its own line");
  const read = (key: "listen" | "address"): Address => {
    const value = values[key];
    const address = typeof value === "string" ? readAddress(value) : undefined;
    if (address !== undefined && (key !== "listen" || isIP(address.host) !== 0)) return address;
    const form = key === "listen" ? '"IP:PORT", such as "0.0.0.0:7899"' : '"HOST:PORT"';
    throw invalid(path, `${shareTable}.${key}`, `is ${shown(value)}: use ${form}`);
  };
  requireKeys(path, shareTable, values, shareKeys);
  const file = (key: string) => readPath(path, shareTable, values, key);
  const [certificate, key, clientCa] = [file("tls_cert"), file("tls_key"), file("client_ca")];
  if ((certificate === undefined) !== (key === undefined)) {
    const [there, missing] = key === undefined ? ["tls_cert", "tls_key"] : ["tls_key", "tls_cert"];
    throw invalid(path, `${shareTable}.${there}`, `needs ${missing} beside it`);
  }
  return {
    listen: read("listen"),
    address: read("address"),
    ...(certificate === undefined || key === undefined ? {} : { given: { certificate, key } }),
    ...(clientCa === undefined ? {} : { clientCa }),
  };
}

const shareKeys: readonly string[] = ["listen", "address", "tls_cert", "tls_key", "client_ca"];

function namesIn(table: string): SettingName[] {
  return settingNames.filter((name) => settings[name].table === table);
}

function readValue(path: string, name: SettingName, value: unknown): number {
  const { table, least, most } = settings[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  const words = `is ${shown(value)}: use a whole number from ${least} to ${most}`;
  throw invalid(path, `${table}.${name}`, words);
}
