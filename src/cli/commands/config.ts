import type { GetServerInfoResponse } from "../../../gen/peerline/v1/broker_service_pb.js";
import {
  settingNames,
  settings,
  type BrokerSettings,
  type SettingName,
} from "../../contract/settings.js";
import {
  readBrokerSettings,
  readShareSettings,
  shareRows,
  shareTable,
  type ShareSettings,
} from "../../endpoint/broker-settings.js";
import { readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { settingsPathIn } from "../../endpoint/home.js";
import {
  natsTable,
  readStoreSettings,
  storeKey,
  storeRows,
  type StoreSettings,
} from "../../endpoint/store-settings.js";
import { connectAsOperator } from "../operator.js";
import { table, wrap } from "../print/columns.js";
import type { Define, Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Prints what may be set of the broker, and the values that `broker.toml` in the home gives it. The broker reads the " +
        "file when it starts: after an edit, run `peerline stop`. Agents and people keep their rates; those of programs " +
        "that speak the contract can be raised.",
    )
    .option(
      "--json",
      "print one JSON object: path, settings with table, name, value, usual, least, most, inForce and what, and store, nats and share",
    )
    .addHelpText(
      "after",
      `
\`broker.toml\` has a line \`name = value\` for each setting, below its table. For a build system that sends a lot:

  [limits]
  program_send_burst = 10000
  program_sends_per_second = 500

  [retention]
  closed_messages_days = 7

Several brokers share peers and mail through the JetStream of NATS servers, 2.10.23 or newer. Above the first table:

  store = "nats://nats-1:4222,nats://nats-2:4222"

  [nats]
  credentials = "/etc/peerline/team.creds"

In place of credentials [nats] has nkey_file, or token_file, or user and password_file: each the absolute path of a
file that not everybody may read. A line tls_ca says whose certificates the servers have, tls_cert and tls_key what
this broker proves itself with. prefix begins the names of streams and subjects. replicas is 1, 3 or 5. Where the
servers have sync_interval: always, write sync_interval = "always": they do not tell it to clients.

\`peerline share\` adds a table [share], and the broker follows it at once.

Examples:
  peerline config
  peerline config --json | jq '.settings[] | select(.value != .usual)'`,
    )
    .action((options: { json?: true }) => showSettings(shell, options.json ?? false));
};

async function showSettings(shell: Shell, json: boolean): Promise<void> {
  const config = readConfig();
  const path = settingsPathIn(config.home);
  const values = await readBrokerSettings(path);
  const store = await readStoreSettings(path);
  const share = await readShareSettings(path);
  const running = await askBroker(config, shell.program);
  if (json) {
    const inForce = running === undefined ? undefined : settingsInForce(running);
    const rows = settingNames.map((name) => ({
      name,
      value: values[name],
      ...settings[name],
      inForce: inForce?.get(name) ?? null,
    }));
    const shared = share === undefined ? null : Object.fromEntries(shareRows(share));
    const { store: value, nats } = storeRows(store);
    await shell.out.json({
      path,
      store: { value, inForce: running?.store?.technology ?? null },
      nats: store.technology === "nats" ? Object.fromEntries(nats) : null,
      settings: rows,
      share: shared,
    });
    return;
  }
  await shell.out.lines(...describe(shell, { path, values, store, share, running }));
  if (config.joined !== undefined) {
    const words = `This home uses the broker at ${config.endpoint}: these settings are of its own, once it has left that one.`;
    await shell.notes.lines(shell.notes.color.dim(words));
  }
}

/** What the home's broker says of itself; undefined where none runs. */
async function askBroker(
  config: Config,
  program: string,
): Promise<GetServerInfoResponse | undefined> {
  if (!config.ownsBroker) return undefined;
  try {
    await using operator = await connectAsOperator({ config, program });
    return operator.info;
  } catch (error) {
    if (error instanceof EndpointError && error.code === "BROKER_UNREACHABLE") return undefined;
    throw error;
  }
}

/** The bounds that a broker states, by their names. */
function settingsInForce({ limits }: GetServerInfoResponse): ReadonlyMap<string, number> {
  return new Map(limits.map(({ name, maximum }) => [name, Number(maximum)]));
}

/** The settings whose value a running broker does not keep to yet. */
export function notYetInForce(
  values: BrokerSettings,
  { technology }: StoreSettings,
  running: GetServerInfoResponse,
): string[] {
  const inForce = settingsInForce(running);
  const changed = settingNames.filter(
    (name) => (inForce.get(name) ?? values[name]) !== values[name],
  );
  return (running.store?.technology ?? technology) === technology
    ? changed
    : [storeKey, ...changed];
}

/** What the file says, and what the home's broker says, where one runs. */
interface View {
  readonly path: string;
  readonly values: BrokerSettings;
  readonly store: StoreSettings;
  readonly share: ShareSettings | undefined;
  readonly running: GetServerInfoResponse | undefined;
}

function describe({ out }: Shell, { path, values, store, share, running }: View): string[] {
  const { color, width } = out;
  const tables = [...new Set(settingNames.map((name) => settings[name].table))];
  const changed = running === undefined ? [] : notYetInForce(values, store, running);
  const rows = (names: readonly SettingName[]): string[] =>
    table(
      names.map((name) => {
        const { usual, what } = settings[name];
        const isUsual = values[name] === usual;
        const note = `# ${isUsual ? "" : `usually ${usual}; `}${what}`;
        return [`${name} =`, String(values[name]), color.dim(note)];
      }),
    );
  const told = storeRows(store);
  return [
    color.dim(`# ${path}`),
    "",
    assign([storeKey, told.store]),
    ...(store.technology === "nats" ? ["", `[${natsTable}]`, ...told.nats.map(assign)] : []),
    ...tables.flatMap((name) => [
      "",
      `[${name}]`,
      ...rows(settingNames.filter((one) => settings[one].table === name)),
    ]),
    ...(share === undefined ? [] : ["", `[${shareTable}]`, ...shareRows(share).map(assign)]),
    ...(changed.length === 0
      ? []
      : [
          "",
          ...wrap(
            `The broker that runs has not read this yet (${changed.join(", ")}): run \`peerline stop\`; agents that run start it again.`,
            width - 2,
          ).map((line) => color.yellow(`# ${line}`)),
        ]),
  ];
}

function assign([key, value]: readonly [string, string | number]): string {
  return `${key} = ${JSON.stringify(value)}`;
}
