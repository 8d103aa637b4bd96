import { seeNames } from "../contract/names.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { LineError } from "../client/line-error.js";
import { CodedError } from "../coded-error.js";
import { visibleText } from "../contract/peer-text.js";
import { EndpointError, explainStorage } from "../endpoint/endpoint-error.js";
import { RpcError } from "../rpc/error.js";
import type { Output } from "./print/output.js";

/**
 * How a `peerline` command ends, for scripts. `peerline broker` has codes of its own beside these,
 * which start at 10.
 */
export const ExitCode = {
  ok: 0,
  /** It could not be done; one sentence on stderr says why. */
  failure: 1,
  /** The command line was not understood. */
  usage: 2,
  /** No broker runs, and the command does not start one. */
  noBroker: 3,
  /** Another `peerline read` took over. */
  superseded: 4,
  /** Ended by Ctrl-C before it was done. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Why a command ended without having done what was asked of it. */
export type CliErrorCode =
  /** An argument has a value that cannot be used. */
  | "USAGE"
  /** Nobody reads what is written any more. */
  | "OUTPUT_CLOSED"
  /** The broker's operator token is not in this home. */
  | "NO_OPERATOR_TOKEN"
  /** Some recipients refused the message. */
  | "PARTLY_REFUSED"
  /** Another process reads this peer's messages now. */
  | "SUPERSEDED"
  /** The broker goes on with a list beyond all bounds. */
  | "LIST_ENDLESS"
  /** Messages wait and do not come. */
  | "MAIL_WITHHELD"
  /** The broker was told to stop and runs on. */
  | "STILL_RUNNING"
  /** The demo met a result that must not be. */
  | "DEMO_FAILED"
  /** The directory that the command is about was removed. */
  | "NO_PROJECT"
  /** It removes what cannot be brought back, and nobody has agreed to that. */
  | "NOT_CONFIRMED"
  /** What is in the home's place is no home of Peerline's, or another's. */
  | "NOT_OWN_HOME"
  /** No coding agent is on this machine. */
  | "NO_HOST"
  /** The broker cannot be shared from here. */
  | "NOT_SHARED"
  /** The home has a broker of another machine already. */
  | "JOINED_ALREADY"
  /** It has none. */
  | "NOT_JOINED"
  /** It is done on the broker's own machine alone. */
  | "ELSEWHERE"
  | "INTERRUPTED";

export class CliError extends CodedError<CliErrorCode> {
  override readonly name = "CliError";

  get exitCode(): ExitCode {
    return exitCodes[this.code] ?? ExitCode.failure;
  }
}

const exitCodes: Partial<Record<CliErrorCode, ExitCode>> = {
  USAGE: ExitCode.usage,
  OUTPUT_CLOSED: ExitCode.ok,
  SUPERSEDED: ExitCode.superseded,
  INTERRUPTED: ExitCode.interrupted,
};

/**
 * Says on stderr why a command failed and returns the code to exit with. A defect shows its stack.
 *
 * @param command as it was typed, for people
 */
export async function reportFailure(
  error: unknown,
  notes: Output,
  command = "that",
): Promise<ExitCode> {
  const { sentence, exitCode } = describe(error, command);
  if (exitCode !== ExitCode.ok) {
    // With stderr closed there is nobody left to tell.
    await notes.lines(`${notes.color.red("peerline:")} ${visibleText(sentence)}`).catch(() => {});
  }
  return exitCode;
}

function describe(raw: unknown, command: string): { sentence: string; exitCode: ExitCode } {
  // Why there is no line is what is to be fixed.
  if (raw instanceof LineError && raw.cause instanceof Error) return describe(raw.cause, command);
  const error = explainStorage(raw, pathOf(raw));
  if (error instanceof CliError) return { sentence: error.message, exitCode: error.exitCode };
  if (error instanceof EndpointError && error.code === "BROKER_UNREACHABLE") {
    const sentence = `${error.message} See \`peerline status\`.`;
    return { sentence, exitCode: ExitCode.noBroker };
  }
  if (error instanceof CodedError) return { sentence: error.message, exitCode: ExitCode.failure };
  if (reasonOf(error) === "SCOPE_EXCEEDED") {
    return { sentence: scopeExceeded(command), exitCode: ExitCode.failure };
  }
  if (error instanceof RpcError) {
    return { sentence: explainRefusal(error), exitCode: ExitCode.failure };
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { sentence: `This is a defect of peerline. ${trace}`, exitCode: ExitCode.failure };
}

/** A machine keeps the scope of the line that it joined with. */
function scopeExceeded(command: string): string {
  return (
    `This machine's scope does not allow ${command}: run it on the broker's own machine, or run \`peerline leave\` here, ` +
    "and join with a line of `peerline share --scope operate` there (`observe` is enough to read). `peerline status` says what the scope is."
  );
}

/** Why the broker refused a call; undefined of another error. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof RpcError ? error.findDetail(ErrorInfoSchema)?.reason : undefined;
}

/** What an error of the system was about. */
function pathOf(error: unknown): string {
  const path = error instanceof Error && "path" in error ? error.path : undefined;
  return typeof path === "string" ? path : "A file of Peerline's";
}

/** What the contract's fields are called on the command line. */
const words: Readonly<Record<string, string>> = {
  to: "TO",
  peer: "NAME",
  text: "TEXT",
  in_reply_to: "--reply-to",
  thread_id: "--thread",
  urgency: "--urgency",
  expires_in: "--expires-in",
  message_id: "the id",
  recipient: "--to",
  from: "--from",
  even_if_live: "--even-if-live",
};

/**
 * What the broker refused, in the words of the command line.
 *
 * @param option by which the command names the field that is to blame, where that is not its usual word.
 */
export function explainRefusal(error: RpcError, option?: string): string {
  const field = error.findDetail(ErrorInfoSchema)?.metadata["field"];
  const named = option !== undefined && field !== undefined && error.message.startsWith(field);
  return named
    ? option + inWords(error.message.slice(field.length), undefined)
    : inWords(error.message, field);
}

/** @param field that is to blame; where it is not said, a sentence that begins with one and a colon names it. */
function inWords(sentence: string, field: string | undefined): string {
  const [start = ""] = /^[a-z_]+(?=:? )/.exec(sentence) ?? [];
  const isField = start === field || sentence[start.length] === ":";
  const rest = sentence
    .slice(start.length)
    // Fields of two words are no words of a sentence, except in a name that somebody gave.
    .replaceAll(/"[^"]*"|\b[a-z]+(?:_[a-z]+)+\b/g, (found) => wordOf(found))
    .replace(seeNames, "`peerline peers` shows who is there");
  return (isField ? wordOf(start) : start) + rest;
}

function wordOf(field: string): string {
  return (Object.hasOwn(words, field) ? words[field] : undefined) ?? field;
}
