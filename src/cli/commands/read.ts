import { toJson } from "@bufbuild/protobuf";
import { DeliverySchema, type Delivery } from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Message } from "../../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../clock.js";
import { readConfig } from "../../endpoint/config.js";
import { CliError, ExitCode } from "../cli-error.js";
import { catchInterruption, type Define, type Shell } from "../shell.js";
import { maxQuietRounds, maxReconnects } from "../limits.js";
import { lossNotes, retryLostBroker } from "../lost-broker.js";
import { messageLines } from "../print/message-lines.js";
import { joinAsPerson, type Person } from "../person.js";
import { readMail } from "../read-mail.js";
import { count } from "../print/receipt-words.js";

export const defineRead: Define = (command, shell) => {
  command
    .description(
      "Prints the messages that wait for you, oldest first, and confirms each one once it is printed. " +
        "A broker is started if none runs.",
    )
    .option("-w, --wait", "go on with each message as it comes, until Ctrl-C")
    .option("--json", "print the contract's Delivery, one JSON object per line")
    .addHelpText(
      "after",
      `
A second \`peerline read\` ends the first, which then exits with code ${ExitCode.superseded}.

Examples:
  peerline read
  peerline read --wait
  peerline read --json | jq -r .message.text`,
    )
    .action((options: ReadOptions) =>
      options.wait ? watch(shell, options) : read(shell, options),
    );
};

interface ReadOptions {
  readonly wait?: true;
  readonly json?: true;
}

async function read(shell: Shell, options: ReadOptions): Promise<void> {
  const reading = openReading(shell, options);
  const name = await retryLostBroker(
    async () => {
      await using person = await reading.join();
      await readWaiting(reading, person);
      return person.peer.name;
    },
    { maxReconnects },
  );
  if (reading.count() === 0 && !options.json) await shell.out.lines(`No messages for ${name}.`);
}

/** Reads until nothing waits. */
async function readWaiting(reading: Reading, person: Person): Promise<void> {
  for (let quietRounds = 0; ; quietRounds++) {
    const before = reading.count();
    const waiting = await readMail(person, { ...reading, wait: false });
    if (waiting === 0) return;
    if (reading.count() > before) quietRounds = 0;
    if (quietRounds === maxQuietRounds) {
      throw new CliError(
        "MAIL_WITHHELD",
        `${count(waiting, "message")} for ${person.peer.name} did not come: \`peerline log\` shows where they stand.`,
      );
    }
  }
}

async function watch(shell: Shell, options: ReadOptions): Promise<void> {
  using interruption = catchInterruption();
  const { signal } = interruption;
  const reading = openReading(shell, options);
  const loss = lossNotes(shell);
  let joined = false;
  try {
    await retryLostBroker(
      async (progress) => {
        await using person = await reading.join(signal);
        progress();
        await loss.onLive();
        if (!joined && shell.notes.isTerminal) await shell.notes.lines(greeting(shell, person));
        joined = true;
        await readMail(person, { ...reading, wait: true, signal });
      },
      { maxReconnects: Number.POSITIVE_INFINITY, onLost: loss.onLost, signal },
    );
  } catch (error) {
    // Ctrl-C is how it is meant to end.
    if (!signal.aborted) throw error;
  }
}

function greeting({ notes }: Shell, person: Person): string {
  return notes.color.dim(`Waiting for messages to ${person.peer.name}. Ctrl-C ends.`);
}

/** What one `peerline read` keeps over all the connections it takes. */
interface Reading {
  join(signal?: AbortSignal): Promise<Person>;
  show(message: Message, delivery: Delivery): Promise<void>;
  /** Messages that have been shown, and of which the broker may not know it. */
  readonly shown: Set<string>;
  /** Messages shown so far. */
  count(): number;
}

function openReading({ program, out }: Shell, options: ReadOptions): Reading {
  const config = readConfig();
  let shownCount = 0;
  return {
    join: (signal) => joinAsPerson({ config, program, ...(signal ? { signal } : {}) }),
    async show(message, delivery) {
      if (options.json) {
        await out.json(toJson(DeliverySchema, delivery, { alwaysEmitImplicit: true }));
      } else {
        const { redelivered, sender } = delivery;
        const about = { redelivered, senderNow: sender?.name ?? "" };
        const lines = messageLines(message, out, systemClock.now(), about);
        await out.lines(...lines, "");
      }
      shownCount++;
    },
    shown: new Set(),
    count: () => shownCount,
  };
}
