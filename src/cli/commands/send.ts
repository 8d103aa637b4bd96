import { toJson } from "@bufbuild/protobuf";
import {
  SendMessageResponseSchema,
  type SendMessageResponse,
  type SendResult,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { v7 as uuidv7 } from "uuid";
import { LineError } from "../../client/line-error.js";
import { askedDelayMs, type Line } from "../../client/line.js";
import { isUuid, shortId } from "../../contract/ids.js";
import { maxExpiresInMs, maxTextBytes } from "../../contract/limits.js";
import { visibleLine } from "../../contract/peer-text.js";
import { sleep, systemClock } from "../../clock.js";
import { readUrgency } from "../../mcp/words.js";
import { errorOf } from "../../rpc/status.js";
import { commandLine } from "../doctor/advice.js";
import { CliError, explainRefusal, reasonOf } from "../failure.js";
import { maxQuotedCharacters, maxTurnWaitMs } from "../limits.js";
import { openPersonLine } from "../person.js";
import { writtenId } from "../print/message-lines.js";
import { reachClause, stateLabel } from "../print/words.js";
import { readSpan, readStdin, type Define, type Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  shell.explainUsage = (code) => {
    if (code === "commander.unknownOption") return dashHint;
    return code === "commander.excessArguments" ? quoteHint(command.args) : undefined;
  };
  command
    .description(
      "Sends a message as you, and says where it stands for each recipient. A broker is started if none runs.",
    )
    .argument("<to>", "names or ids of peers, separated by commas")
    .argument("<text>", "what to say, in quotes; - reads it from stdin")
    .option(
      "--reply-to <id>",
      "the message that this answers: its id, or the last 8 characters of it",
    )
    .option("--thread <id>", "the exchange that this belongs to: letters, digits, . _ : -")
    .addOption(
      command
        .createOption("--urgency <level>", "how soon it wants attention")
        .choices(["fyi", "normal", "interrupt"])
        .default("normal"),
    )
    .option("--expires-in <time>", "how long it may wait: 45s, 10m, 2h, 1d", (text) =>
      readSpan("--expires-in", text, maxExpiresInMs),
    )
    .option(
      "--id <uuid>",
      "the id of this very message: a send that is repeated with it is stored once",
    )
    .option("--json", "print the contract's SendMessageResponse as one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  peerline send api "UserResponse: removed legacyId, added uuid"
  git diff | peerline send api,web - --thread refactor
  peerline send api "yes, go on" --reply-to 3f2a9c01
  peerline send api -- "-1 is what it returned"`,
    )
    .action((to: string, text: string, options: SendOptions) => send(shell, to, text, options));
};

const dashHint =
  'A text that begins with a dash goes after --: `peerline send api -- "-1 is what it returned"`; or pipe it into `peerline send api -`.';

/** The shell took the words of an unquoted text apart. */
function quoteHint([to = "", ...words]: readonly string[]): string {
  const text = visibleLine(words.join(" "));
  const example = text.length <= maxQuotedCharacters ? text : "all that you have to say";
  return `The text is one argument: put it in quotes, as in \`${commandLine("peerline", "send", visibleLine(to), example)}\`.`;
}

interface SendOptions {
  readonly replyTo?: string;
  readonly thread?: string;
  readonly id?: string;
  readonly urgency: "fyi" | "normal" | "interrupt";
  /** Seconds. */
  readonly expiresIn?: number;
  readonly json?: true;
}

async function send(shell: Shell, to: string, text: string, options: SendOptions): Promise<void> {
  const recipients = readRecipients(to);
  const messageId = readId(options.id);
  const words = await readText(shell, text);
  await using line = openPersonLine({ program: shell.program, receives: false });
  const sendOptions = {
    messageId,
    inReplyTo: writtenId(options.replyTo ?? ""),
    threadId: options.thread ?? "",
    urgency: readUrgency(options.urgency),
    ...(options.expiresIn === undefined ? {} : { expiresInMs: options.expiresIn * 1000 }),
  };
  const sending = inTurn(() => line.send(recipients, words, sendOptions));
  const response = await sending.catch((error: unknown) => {
    throw explainLoss(error, line, messageId);
  });
  await show(shell, response, options);
}

function readId(id: string | undefined): string {
  if (id === undefined) return uuidv7();
  const plain = id.trim().toLowerCase();
  if (isUuid(plain)) return plain;
  throw new CliError(
    "USAGE",
    `"${visibleLine(id)}" is no id: --id takes a UUID, as \`uuidgen\` prints.`,
  );
}

/** A broker that was lost under the call may have stored the message: only whoever repeats it with its id knows. */
function explainLoss(error: unknown, { peer }: Line, messageId: string): unknown {
  if (!(error instanceof LineError) || error.code !== "UNREACHABLE" || peer === undefined)
    return error;
  const words = `It may have been sent all the same: repeated with --id ${messageId}, it is stored once.`;
  return new LineError("UNREACHABLE", `${error.message} ${words}`, { cause: error.cause });
}

/** Sends, and again when the broker says that so much was sent before: it tells when more may be. */
export async function inTurn<T>(send: () => Promise<T>): Promise<T> {
  const deadlineMs = systemClock.monotonic() + maxTurnWaitMs;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (reasonOf(error) !== "RATE_LIMITED") throw error;
      const waitMs = askedDelayMs(error);
      if (waitMs === 0 || systemClock.monotonic() + waitMs > deadlineMs) throw error;
      await sleep(waitMs);
    }
  }
}

function readRecipients(to: string): string[] {
  const names = to.split(",").map((name) => name.trim());
  if (names.every((name) => name !== "")) return names;
  throw new CliError("USAGE", `"${to}" names no recipient: write one name, or several as api,web.`);
}

async function readText(shell: Shell, argument: string): Promise<string> {
  if (argument === "-" && process.stdin.isTTY) {
    await shell.notes.lines(shell.notes.color.dim("Write the message, then Ctrl-D."));
  }
  const text = argument === "-" ? await readStdin(process.stdin, maxTextBytes) : argument;
  if (text === "") throw new CliError("USAGE", "The text is empty: say something.");
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes <= maxTextBytes) return text;
  throw new CliError(
    "USAGE",
    `The text has ${sizeBytes} bytes and may have ${maxTextBytes}: put it in a file and send the file's path.`,
  );
}

async function show(
  { out }: Shell,
  response: SendMessageResponse,
  options: SendOptions,
): Promise<void> {
  if (options.json) {
    await out.json(toJson(SendMessageResponseSchema, response, { alwaysEmitImplicit: true }));
  } else {
    const id = out.color.dim(`id ${shortId(response.messageId)}`);
    const accepted = response.results.filter(({ error }) => error === undefined);
    await out.lines(...accepted.map((result) => `${standing(result)}  ${id}`));
  }
  const refused = response.results.filter(({ error }) => error !== undefined);
  if (refused.length > 0) throw new CliError("PARTLY_REFUSED", refused.map(refusal).join("\n"));
}

function standing({ state, recipient, reach, duplicate }: SendResult): string {
  const earlier = duplicate ? ", by an attempt before" : "";
  return `${stateLabel(state)} ${state === ReceiptState.LEASED ? "to" : "for"} ${recipient?.name} (${reachClause(reach)}${earlier})`;
}

function refusal({ recipient, error }: SendResult): string {
  const why = error === undefined ? "" : explainRefusal(errorOf(error));
  return `Not sent to ${recipient?.name}: ${visibleLine(why)}`;
}
