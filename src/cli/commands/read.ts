import { toJson } from "@bufbuild/protobuf";
import { DeliverySchema, Outcome } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy } from "../../../gen/peerline/v1/message_pb.js";
import type { Line } from "../../client/line.js";
import { LineError } from "../../client/line-error.js";
import { oldestMessage } from "../../client/messages.js";
import { systemClock } from "../../clock.js";
import { CliError, ExitCode } from "../failure.js";
import { lossNotes } from "../lost-broker.js";
import { openPersonLine } from "../person.js";
import { messageLines } from "../print/message-lines.js";
import { catchInterruption, type Define, type Shell } from "../shell.js";

export const define: Define = (command, shell) => {
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
  await using line = openPersonLine({ program: shell.program, receives: true });
  const shown = await showMessages(line, shell, options).catch((error: unknown) => {
    throw explain(error, line);
  });
  if (shown === 0 && !options.json) await shell.out.lines(`No messages for ${nameOf(line)}.`);
}

async function watch(shell: Shell, options: ReadOptions): Promise<void> {
  using interruption = catchInterruption();
  const { signal } = interruption;
  const loss = lossNotes(shell);
  await using line = openPersonLine({
    program: shell.program,
    receives: true,
    onState: (state) => {
      if (state === "attaching") loss.onLost();
      if (state === "live") loss.onLive();
    },
  });
  try {
    await line.ready(signal);
    const greeting = `Waiting for messages to ${nameOf(line)}. Ctrl-C ends.`;
    if (shell.notes.isTerminal) await shell.notes.lines(shell.notes.color.dim(greeting));
    await showMessages(line, shell, { ...options, signal });
  } catch (error) {
    // Ctrl-C is how it is meant to end.
    if (!signal.aborted) throw explain(error, line);
  }
}

/** Prints each message, and confirms it then: one that could not be printed comes again. Resolves to how many. */
async function showMessages(
  line: Line,
  { out }: Shell,
  { wait, json, signal }: ReadOptions & { signal?: AbortSignal },
): Promise<number> {
  for (let shown = 0; ; shown++) {
    const held = await oldestMessage(line, { waits: wait === true, signal });
    if (held === undefined) return shown;
    const { message, delivery, redelivered, senderName } = held;
    if (json) await out.json(toJson(DeliverySchema, delivery, { alwaysEmitImplicit: true }));
    else {
      const about = { redelivered, names: new Map([[message.from?.peerId ?? "", senderName]]) };
      await out.lines(...messageLines(message, out, systemClock.now(), about), "");
    }
    line.mail.take(held);
    const confirmedBy = ConfirmedBy.EXPLICIT_ACK;
    line.mail.tell(held, { outcome: Outcome.CONFIRMED, confirmedBy });
  }
}

function explain(error: unknown, line: Line): unknown {
  if (!(error instanceof LineError)) return error;
  if (error.code === "SUPERSEDED") {
    return new CliError(
      "SUPERSEDED",
      "Another `peerline read` took over: messages are shown there now.",
    );
  }
  if (error.code !== "WITHHELD") return error;
  return new CliError(
    "MAIL_WITHHELD",
    `${error.message} \`peerline log\` shows where those to ${nameOf(line)} stand.`,
  );
}

function nameOf({ peer }: Line): string {
  return peer?.name ?? "you";
}
