import { readConfig } from "../endpoint/config.js";
import { CliError } from "./cli-error.js";
import { followLog, type LogProgress } from "./follow-log.js";
import { readHistory } from "./history.js";
import { catchInterruption } from "./interruption.js";
import { defaultLogCount, maxLogCount } from "./limits.js";
import { retryLostBroker } from "./lost-broker.js";
import { printMoved, printRecord } from "./log-entry.js";
import { connectAsOperator } from "./operator.js";
import type { Define, Shell } from "./shell.js";

export const defineLog: Define = (command, shell) => {
  command
    .description(
      "Prints the messages of all peers, newest last, with where each stands. Looking moves nothing. " +
        "The broker's own log is the file broker.log in its home.",
    )
    .option("-f, --follow", "go on with what is sent and seen from now on, until Ctrl-C")
    .option("-n, --number <n>", "how many messages, at most", readNumber, defaultLogCount)
    .option("--json", "print the contract's WatchMessagesResponse, one JSON object per line")
    .addHelpText(
      "after",
      `
Examples:
  peerline log -n 5
  peerline log -f
  peerline log --json | jq -r '.accepted.message.text'`,
    )
    .action((options: LogOptions) =>
      options.follow ? follow(shell, options) : log(shell, options),
    );
};

interface LogOptions {
  readonly follow?: true;
  readonly number: number;
  readonly json?: boolean;
}

async function log({ program, out }: Shell, { number, json = false }: LogOptions): Promise<void> {
  await using operator = await connectAsOperator({ config: readConfig(), program });
  const records = await readHistory(operator, number);
  for (const record of records) await printRecord(out, record, json);
  if (records.length === 0 && number > 0 && !json) await out.lines("No message has been sent yet.");
}

async function follow(shell: Shell, { number, json = false }: LogOptions): Promise<void> {
  const { program, out } = shell;
  using interruption = catchInterruption();
  const { signal } = interruption;
  const config = readConfig();
  const progress: LogProgress = { known: new Set(), hasListed: false };
  try {
    await retryLostBroker(
      async (onLive) => {
        await using operator = await connectAsOperator({ config, program, signal });
        await followLog(operator, {
          progress,
          number,
          onLive,
          onRecord: (record) => printRecord(out, record, json),
          onMoved: (moved) => printMoved(out, moved, json),
          signal,
        });
      },
      { maxReconnects: Number.POSITIVE_INFINITY, onLost: () => sayLost(shell), signal },
    );
  } catch (error) {
    // Ctrl-C is how it is meant to end.
    if (!signal.aborted) throw error;
  }
}

async function sayLost({ notes }: Shell): Promise<void> {
  await notes.lines(notes.color.yellow("The broker is gone; looking for it until it is back."));
}

function readNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= maxLogCount) return number;
  throw new CliError("USAGE", `-n ${text} is no count of messages: write 0 to ${maxLogCount}.`);
}
