import { visibleLine } from "../../contract/peer-text.js";
import { readConfig } from "../../endpoint/config.js";
import { ExitCode } from "../failure.js";
import { table } from "../print/columns.js";
import { stateLabel } from "../print/words.js";
import type { Define, Shell } from "../shell.js";

// It holds the store, as a broker does.
const load = () => import("../../daemon/move-home.js");
type HomeMove = Awaited<ReturnType<Awaited<ReturnType<typeof load>>["moveHome"]>>;

interface MigrateOptions {
  readonly to: string;
  readonly again?: true;
  readonly switch?: true;
  readonly json?: true;
}

export const define: Define = (command, shell) => {
  command
    .description(
      "Moves peers, machines and all messages that are kept, with their receipts, from this home's store into another one, " +
        "which has to be empty. No broker may run. Both are read back and compared; what is there now stays as it is.",
    )
    .requiredOption("--to <store>", "nats://HOST:4222, as `store` in broker.toml, or sqlite")
    .option("--switch", "have broker.toml name the new store when the move has succeeded")
    .option("--again", "remove from JetStream what a move has left there that was interrupted")
    .option(
      "--json",
      "print one JSON object: from, to, switched, leftOut, different, and what each holds",
    )
    .addHelpText(
      "after",
      `
How NATS is reached otherwise, such as credentials and prefix, stands in the table [nats] of broker.toml. It may stand
there before the move, below a line \`store = "sqlite"\`.

Agents start a broker by themselves: end them, or what they send after the move is not in the new store.

Ends with exit code ${ExitCode.failure} when nothing was moved, or when the two stores do not hold the same.

Examples:
  peerline stop; peerline migrate --to nats://nats-1:4222,nats://nats-2:4222 --switch
  peerline migrate --to sqlite`,
    )
    .action((options: MigrateOptions) => migrate(shell, options));
};

async function migrate(shell: Shell, options: MigrateOptions): Promise<void> {
  const { moveHome } = await load();
  let told = 0;
  const move = await moveHome({
    config: readConfig(),
    to: options.to,
    again: options.again ?? false,
    switches: options.switch ?? false,
    onPage: (records) => {
      if (records < told + recordsBetweenNotes) return;
      told = records;
      void shell.notes.lines(shell.notes.color.dim(`${records} records …`)).catch(() => {});
    },
  });
  if (move.proof.different.length > 0) shell.exitCode = ExitCode.failure;
  if (options.json === true) await shell.out.json(toObject(move));
  else await shell.out.lines(...describe(shell, move, options.to));
}

const recordsBetweenNotes = 20_000;

function toObject({ from, to, proof, isSwitched }: HomeMove): object {
  const { source, target, leftOut, different } = proof;
  const holds = ({ counts, sums, states }: typeof source) => ({
    counts,
    sha256: sums,
    states: Object.fromEntries([...states].map(([state, count]) => [stateLabel(state), count])),
  });
  const stores = { source: holds(source), target: holds(target) };
  return { from, to, switched: isSwitched, leftOut, different, ...stores };
}

function describe({ out }: Shell, move: HomeMove, to: string): string[] {
  const { color } = out;
  const { source, target, leftOut, different } = move.proof;
  const rows = kinds.map(([kind, name]) => {
    const isSame = !different.includes(kind);
    const sum = isSame ? source.sums[kind].slice(0, 16) : color.red("not the same");
    return [name, String(source.counts[kind]), String(target.counts[kind]), sum];
  });
  const states = [...target.states].toSorted(([a], [b]) => a - b);
  const ofThese = states.map(([state, count]) => `${count} ${stateLabel(state)}`).join(", ");
  return [
    `From ${visibleLine(move.from)}`,
    `to   ${visibleLine(move.to)}`,
    "",
    ...table([["", "from", "to", "SHA-256 of both"].map((head) => color.dim(head)), ...rows]),
    ...(ofThese === "" ? [] : ["", `Of the deliveries: ${ofThese}.`]),
    ...leftOut.map((words) => color.yellow(`Not moved: ${visibleLine(words)}.`)),
    "",
    ...closing(move, to),
  ];
}

const kinds = [
  ["peer", "peers"],
  ["machine", "machines"],
  ["enrolment", "tokens to join with"],
  ["delivery", "deliveries"],
] as const;

function closing({ proof, isSwitched, settingsPath }: HomeMove, to: string): string[] {
  if (proof.different.length > 0) {
    return [
      "The two do not hold the same. Nothing uses the new one; the old one is as it was. This is a defect of peerline: please report it.",
    ];
  }
  return isSwitched
    ? [`Moved. ${settingsPath} names the new store; the old one is as it was.`]
    : [
        "Moved; the old store is as it was, and still in use. To use the new one, before any agent runs:",
        `  store = ${JSON.stringify(to)}`,
        `above the first table of ${settingsPath}.`,
      ];
}
