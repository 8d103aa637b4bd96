import { readConfig } from "../../endpoint/config.js";
import { CliError } from "../failure.js";
import { followLog, keyOf, remember, type LogProgress } from "../follow-log.js";
import { callTimeoutMs, defaultLogCount, maxLogCount, maxSearched } from "../limits.js";
import {
  isFiltered,
  openFilter,
  readPattern,
  readSince,
  type FilterOptions,
} from "../log-filter.js";
import { lossNotes, retryLostBroker } from "../lost-broker.js";
import { connectAsOperator, namesNow, searchHistory } from "../operator.js";
import { connectAsReader, sayWhatIsSeen, seesOwnOnly } from "../reader.js";
import { printMoved, printRecord, writtenId } from "../print/message-lines.js";
import { catchInterruption, type Define, type Shell } from "../shell.js";

export const defineLog: Define = (command, shell) => {
  command
    .description(
      "Prints the messages of all peers, newest last, with where each stands. Looking moves nothing. " +
        "The broker's own log is the file broker.log in its home.",
    )
    .option("-f, --follow", "go on with what is sent and seen from now on, until Ctrl-C")
    .option("-n, --number <n>", "how many messages, at most", readNumber, defaultLogCount)
    .option("--peer <name>", "only those that this peer sent or received")
    .option("--thread <id>", "only those of this exchange")
    .option("--since <time>", "only those since then: 10m, 2h, 1d, 14:30, 2026-11-27", readSince)
    .option(
      "--unanswered",
      "only those that no recipient has answered; fyi, expired, to oneself and notices left out",
    )
    .option("--grep <pattern>", "only those whose text matches, in any case", readPattern)
    .option("--json", "print the contract's WatchMessagesResponse, one JSON object per line")
    .addHelpText(
      "after",
      `
Examples:
  peerline log -n 5
  peerline log -f --peer api
  peerline log --since 2h --unanswered
  peerline log --grep "userresponse|legacyid" -n 100
  peerline log --json | jq -r '.accepted.message.text'`,
    )
    .action((options: LogOptions) =>
      options.follow ? follow(shell, options) : log(shell, options),
    );
};

interface LogOptions extends FilterOptions {
  readonly follow?: true;
  readonly number: number;
  readonly json?: boolean;
}

async function log(shell: Shell, options: LogOptions): Promise<void> {
  const { number, json = false } = options;
  await using reader = await connectAsReader(shell);
  const filter = isFiltered(options) ? await openFilter(reader, options) : {};
  const { records, isCut } = await searchHistory(reader, number, filter);
  const names = await namesNow(reader);
  for (const record of records) await printRecord(shell.out, record, { json, names });
  if (isCut) await shell.notes.lines(`Only the newest ${maxSearched} messages were looked at.`);
  else if (records.length === 0 && number > 0 && !json) {
    await shell.out.lines(
      isFiltered(options) ? "No message fits." : "No message has been sent yet.",
    );
  }
  await sayWhatIsSeen(shell, reader);
}

async function follow(shell: Shell, options: LogOptions): Promise<void> {
  const { number, json = false } = options;
  const { program, out } = shell;
  using interruption = catchInterruption();
  const { signal } = interruption;
  const config = readConfig();
  if (seesOwnOnly(config)) {
    throw new CliError(
      "ELSEWHERE",
      "This machine's scope is `agent`, which follows no log: run this on the broker's own machine; `peerline read --wait` prints your own messages as they come.",
    );
  }
  const progress: LogProgress = { known: new Set(), hasListed: false };
  // With a filter, later events are told of these messages only.
  const shown = new Set<string>();
  const loss = lossNotes(shell);
  try {
    await retryLostBroker(
      async (onLive) => {
        await using operator = await connectAsOperator({ config, program, signal });
        const filter = isFiltered(options) ? await openFilter(operator, options) : undefined;
        const names = await namesNow(operator);
        await followLog(operator, {
          progress,
          number,
          ...(filter === undefined ? {} : { query: filter }),
          onLive: async () => {
            onLive();
            loss.onLive();
          },
          onRecord: async (record) => {
            if (filter?.isWanted(record) === false) return;
            remember(shown, record.message);
            await printRecord(out, record, { json, names });
          },
          onMoved: async (moved) => {
            if (filter !== undefined && !shown.has(keyOf(moved))) return;
            await printMoved(out, moved, json);
          },
          signal,
        });
      },
      { onLost: loss.onLost, signal },
    );
  } catch (error) {
    // Ctrl-C is how it is meant to end.
    if (!signal.aborted) throw error;
  }
}

function readNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= maxLogCount) return number;
  throw new CliError("USAGE", `-n ${text} is no count of messages: write 0 to ${maxLogCount}.`);
}

export const defineShow: Define = (command, shell) => {
  command
    .description("Prints one message with where it stands. Looking moves nothing.")
    .argument("<id>", "its id, or the last 8 or more characters of it")
    .option("--json", "print the contract's WatchMessagesResponse as one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  peerline show 71cb503b
  peerline show 71cb503b --json | jq -r .accepted.message.text`,
    )
    .action((id: string, { json = false }: { json?: boolean }) => showMessage(shell, id, json));
};

export async function showMessage(shell: Shell, id: string, json: boolean): Promise<void> {
  await using reader = await connectAsReader(shell);
  const messageId = writtenId(id);
  const { record } = await reader.client.getMessage({ messageId }, { timeoutMs: callTimeoutMs });
  const names = await namesNow(reader);
  if (record !== undefined) await printRecord(shell.out, record, { json, names });
}
