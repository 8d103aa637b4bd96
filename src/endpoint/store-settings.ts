import { formatAddress, readAddress, type Address } from "./endpoint.js";
import { maxNatsServers } from "./limits.js";
import {
  invalid,
  isTable,
  readPath,
  readTables,
  requireKeys,
  shown,
  type Table,
} from "./settings-file.js";

/** Where a broker keeps peers and mail. */
export type StoreSettings =
  /** In a file of its home. */
  | { readonly technology: "sqlite" }
  /** In the JetStream of NATS servers, which several brokers share. */
  | ({ readonly technology: "nats" } & NatsSettings);

/** How to reach JetStream, and how it is to keep what it is given. All paths are absolute. */
export interface NatsSettings {
  /** Any of these leads to all of a cluster. */
  readonly servers: readonly Address[];
  /** A server that offers no TLS is refused. Without this TLS is used where a server offers it. */
  readonly requireTls: boolean;
  /** Begins the name of each stream and subject, so that several teams can share an account. */
  readonly prefix: string;
  /** On how many servers each stream is. */
  readonly replicas: (typeof replicaCounts)[number];
  readonly login: NatsLoginSettings | undefined;
  readonly tls: {
    /** Authorities of the servers' certificates; absent: those of the system. */
    readonly ca?: string;
    /** What this broker proves itself with, where servers ask for a certificate. */
    readonly certificate?: string;
    readonly key?: string;
  };
  /**
   * The operator says that the servers have `sync_interval: always`. They do not tell it to clients. It
   * changes only what the broker says of its durability.
   */
  readonly syncAlways: boolean;
}

/** Who the broker is for the servers. Each secret is in a file. */
export type NatsLoginSettings =
  /** A file of `nsc`, with a JWT and the seed of its key. */
  | { readonly kind: "credentials"; readonly file: string }
  /** The seed of an NKey. */
  | { readonly kind: "nkey"; readonly file: string }
  | { readonly kind: "password"; readonly user: string; readonly file: string }
  | { readonly kind: "token"; readonly file: string };

/**
 * What `broker.toml` says of the store. CONFIG_INVALID as of `readBrokerSettings`.
 *
 * @param as in place of its line `store`; what it says in [nats] counts
 */
export async function readStoreSettings(path: string, as?: string): Promise<StoreSettings> {
  const tables = (await readTables(path)) ?? {};
  return readStore(path, as === undefined ? tables : { ...tables, [storeKey]: as });
}

/** The key in `broker.toml` that says which store it is, and the table about NATS. */
export const storeKey = "store";
export const natsTable = "nats";

/**
 * The table [nats] may stand beside `store = "sqlite"`, for a move that is to come or was. Without that line it
 * is refused: whoever wrote it most likely forgot one.
 */
export function readStore(path: string, tables: Table): StoreSettings {
  const value = tables[storeKey];
  if (value === undefined && natsTable in tables) {
    const fix = `needs ${storeKey} = "nats://HOST:4222" above the first table: without it the store is SQLite`;
    throw invalid(path, natsTable, fix);
  }
  if (value !== undefined && value !== "sqlite") {
    return readNats(path, tables[natsTable], readServers(path, value));
  }
  if (natsTable in tables) readNats(path, tables[natsTable], { servers: [], requireTls: false });
  return { technology: "sqlite" };
}

function readNats(
  path: string,
  table: unknown = {},
  { servers, requireTls }: Pick<NatsSettings, "servers" | "requireTls">,
): StoreSettings {
  if (!isTable(table)) throw invalid(path, natsTable, "is no table: write [nats] on its own line");
  if (storeKey in table) {
    throw invalid(
      path,
      `${natsTable}.${storeKey}`,
      "is no setting: write it above the first table",
    );
  }
  requireKeys(path, natsTable, table, natsKeys);
  const tls = readTls(path, table);
  return {
    technology: "nats",
    servers,
    requireTls: requireTls || Object.keys(tls).length > 0,
    prefix: readPrefix(path, table["prefix"]),
    replicas: readReplicas(path, table["replicas"], servers.length),
    login: readLogin(path, table),
    tls,
    syncAlways: readSyncInterval(path, table["sync_interval"]),
  };
}

/** The lines of `broker.toml` that set the store, with what is usual written out: `store` and those of its table. */
export function storeRows(store: StoreSettings): {
  store: string;
  nats: [string, string | number][];
} {
  if (store.technology === "sqlite") return { store: "sqlite", nats: [] };
  const { servers, requireTls, prefix, replicas, login, tls, syncAlways } = store;
  const scheme = requireTls ? "tls" : "nats";
  return {
    store: servers.map((server) => `${scheme}://${formatAddress(server)}`).join(","),
    nats: [
      ["prefix", prefix],
      ["replicas", replicas],
      ...(login === undefined ? [] : loginRows(login)),
      ...Object.entries({ tls_ca: tls.ca, tls_cert: tls.certificate, tls_key: tls.key }).filter(
        (row): row is [string, string] => row[1] !== undefined,
      ),
      ...(syncAlways ? ([["sync_interval", "always"]] as [string, string][]) : []),
    ],
  };
}

function loginRows(login: NatsLoginSettings): [string, string][] {
  const user: [string, string][] = login.kind === "password" ? [["user", login.user]] : [];
  return [...user, [loginKeys[login.kind], login.file]];
}

const loginKeys = {
  credentials: "credentials",
  nkey: "nkey_file",
  password: "password_file",
  token: "token_file",
} as const satisfies Record<NatsLoginSettings["kind"], string>;

const natsKeys: readonly string[] = [
  "prefix",
  "replicas",
  "credentials",
  "nkey_file",
  "user",
  "password_file",
  "token_file",
  "tls_ca",
  "tls_cert",
  "tls_key",
  "sync_interval",
];

function readServers(path: string, value: unknown): { servers: Address[]; requireTls: boolean } {
  const form = '"nats://HOST:4222", with commas between several servers, or "tls://HOST:4222"';
  // What is wrong is not shown: there may be a password in it.
  if (typeof value === "string" && value.includes("@")) {
    const fix = `write only ${form}, and say who the broker is in [${natsTable}]: credentials, nkey_file, user with password_file, or token_file`;
    throw invalid(path, storeKey, `has a user, password or token in its URL: ${fix}`);
  }
  const fail = (what: unknown) =>
    invalid(path, storeKey, `is ${shown(what)}: use "sqlite", ${form}`);
  if (typeof value !== "string") throw fail(value);
  const urls = value.split(",").map((one) => one.trim());
  if (urls.length > maxNatsServers) {
    throw invalid(path, storeKey, `names ${urls.length} servers: use at most ${maxNatsServers}`);
  }
  const servers = new Map<string, Address>();
  for (const url of urls) {
    const [, host] = /^(?:nats|tls):\/\/([^/]*)\/?$/i.exec(url) ?? [];
    const server =
      host === undefined ? undefined : (readAddress(host) ?? readAddress(`${host}:4222`));
    if (server === undefined) throw fail(url);
    servers.set(formatAddress(server), server);
  }
  return {
    servers: [...servers.values()],
    requireTls: urls.some((url) => /^tls:/i.test(url)),
  };
}

function readPrefix(path: string, value: unknown = usualPrefix): string {
  if (typeof value === "string" && /^[A-Za-z0-9_-]{1,32}$/.test(value)) return value;
  const use = "use at most 32 letters, digits, hyphens and underscores";
  throw invalid(path, `${natsTable}.prefix`, `is ${shown(value)}: ${use}`);
}

const usualPrefix = "peerline";

function readReplicas(path: string, value: unknown, servers: number): NatsSettings["replicas"] {
  if (value === undefined) return servers === 1 ? 1 : 3;
  const count = replicaCounts.find((one) => one === value);
  if (count !== undefined) return count;
  const words = `is ${shown(value)}: use 1, or 3 or 5 in a cluster of as many servers`;
  throw invalid(path, `${natsTable}.replicas`, words);
}

const replicaCounts = [1, 3, 5] as const;

function readLogin(path: string, table: Table): NatsLoginSettings | undefined {
  const user = readUser(path, table["user"]);
  const given = (Object.keys(loginKeys) as (keyof typeof loginKeys)[]).flatMap((kind) => {
    const file = readPath(path, natsTable, table, loginKeys[kind]);
    return file === undefined ? [] : [{ kind, file }];
  });
  const [first, second] = given;
  if (first !== undefined && second !== undefined) {
    const words = `cannot stand beside ${loginKeys[first.kind]}: use one of them`;
    throw invalid(path, `${natsTable}.${loginKeys[second.kind]}`, words);
  }
  if (user !== undefined && first?.kind !== "password") {
    const words =
      first === undefined
        ? "needs password_file beside it, the path of a file with the password"
        : `cannot stand beside ${loginKeys[first.kind]}: use it with password_file`;
    throw invalid(path, `${natsTable}.user`, words);
  }
  if (first?.kind !== "password") return first as NatsLoginSettings | undefined;
  if (user === undefined) {
    throw invalid(path, `${natsTable}.password_file`, "needs user beside it");
  }
  return { ...first, kind: "password", user };
}

function readUser(path: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^[^\p{Cc}]{1,256}$/u.test(value)) return value;
  throw invalid(path, `${natsTable}.user`, `is ${shown(value)}: use the name of a user`);
}

function readTls(path: string, table: Table): NatsSettings["tls"] {
  const file = (key: string) => readPath(path, natsTable, table, key);
  const [ca, certificate, key] = [file("tls_ca"), file("tls_cert"), file("tls_key")];
  if ((certificate === undefined) !== (key === undefined)) {
    const [there, missing] = key === undefined ? ["tls_cert", "tls_key"] : ["tls_key", "tls_cert"];
    throw invalid(path, `${natsTable}.${there}`, `needs ${missing} beside it`);
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
  };
}

function readSyncInterval(path: string, value: unknown): boolean {
  if (value === undefined || value === "always") return value === "always";
  const words = `is ${shown(value)}: write "always" where the servers' configuration has jetstream { sync_interval: always }, or leave it out`;
  throw invalid(path, `${natsTable}.sync_interval`, words);
}
