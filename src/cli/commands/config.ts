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
      "print one JSON object: path, settings with table, name, value, usual, least, most, inForce and what, and share",
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
  const share = await readShareSettings(path);
  const inForce = await askBroker(config, shell.program);
  if (json) {
    const rows = settingNames.map((name) => ({
      name,
      value: values[name],
      ...settings[name],
      inForce: inForce?.get(name) ?? null,
    }));
    const shared = share === undefined ? null : Object.fromEntries(shareRows(share));
    await shell.out.json({ path, settings: rows, share: shared });
    return;
  }
  await shell.out.lines(...describe(shell, path, values, inForce, share));
  if (config.joined !== undefined) {
    const words = `This home uses the broker at ${config.endpoint}: these settings are of its own, once it has left that one.`;
    await shell.notes.lines(shell.notes.color.dim(words));
  }
}

/** What the home's broker keeps to; undefined where none runs. */
async function askBroker(
  config: Config,
  program: string,
): Promise<ReadonlyMap<string, number> | undefined> {
  if (!config.ownsBroker) return undefined;
  try {
    await using operator = await connectAsOperator({ config, program });
    return settingsInForce(operator.info);
  } catch (error) {
    if (error instanceof EndpointError && error.code === "BROKER_UNREACHABLE") return undefined;
    throw error;
  }
}

/** The bounds that a broker states, by their names. */
export function settingsInForce({ limits }: GetServerInfoResponse): ReadonlyMap<string, number> {
  return new Map(limits.map(({ name, maximum }) => [name, Number(maximum)]));
}

/** The settings whose value a running broker does not keep to yet. */
export function notYetInForce(
  values: BrokerSettings,
  inForce: ReadonlyMap<string, number>,
): SettingName[] {
  return settingNames.filter((name) => (inForce.get(name) ?? values[name]) !== values[name]);
}

function describe(
  { out }: Shell,
  path: string,
  values: BrokerSettings,
  inForce: ReadonlyMap<string, number> | undefined,
  share: ShareSettings | undefined,
): string[] {
  const { color, width } = out;
  const tables = [...new Set(settingNames.map((name) => settings[name].table))];
  const changed = inForce === undefined ? [] : notYetInForce(values, inForce);
  const rows = (names: readonly SettingName[]): string[] =>
    table(
      names.map((name) => {
        const { usual, what } = settings[name];
        const isUsual = values[name] === usual;
        const note = `# ${isUsual ? "" : `usually ${usual}; `}${what}`;
        return [`${name} =`, String(values[name]), color.dim(note)];
      }),
    );
  return [
    color.dim(`# ${path}`),
    ...tables.flatMap((name) => [
      "",
      `[${name}]`,
      ...rows(settingNames.filter((one) => settings[one].table === name)),
    ]),
    ...(share === undefined
      ? []
      : [
          "",
          `[${shareTable}]`,
          ...shareRows(share).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
        ]),
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
