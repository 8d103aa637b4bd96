import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";
import type { Command } from "commander";
import type { UserPlaces } from "../endpoint/config.js";
import { findProgram } from "../endpoint/find-program.js";
import { readSeconds } from "../mcp/words.js";
import { commandLine } from "./doctor/advice.js";
import { CliError, ExitCode } from "./failure.js";
import { Output } from "./print/output.js";

/** What every command works with. */
export interface Shell {
  /** Absolute path of the program, with which a broker is started. */
  readonly program: string;
  readonly out: Output;
  /** Standard error: what is said beside the answer. */
  readonly notes: Output;
  /** Further help on a command line that was not understood, by Commander's code. */
  explainUsage?: (code: string) => string | undefined;
  /** How the process is to end when the command does not throw. */
  exitCode: number;
}

/** Gives a command its description, arguments, options, examples and action. */
export type Define = (command: Command, shell: Shell) => void;

export function openShell(program: string): Shell {
  return {
    program,
    out: new Output(process.stdout),
    notes: new Output(process.stderr),
    exitCode: ExitCode.ok,
  };
}

/** How a person calls this program here. */
export function selfCommand(program: string, { programs }: UserPlaces): string {
  return findProgram("peerline", programs) === undefined
    ? commandLine(process.execPath, program)
    : "peerline";
}

/** From its making to its disposal, Ctrl-C and SIGTERM abort the signal and no longer end the process. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

export function catchInterruption(): Interruption {
  const controller = new AbortController();
  const abort = () => controller.abort(new CliError("INTERRUPTED", "Interrupted."));
  for (const name of signals) process.on(name, abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, abort);
    },
  };
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Asks the person at the terminal, and resolves to the answer in small letters. */
export async function ask(question: string, output: NodeJS.WritableStream): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output });
  try {
    return (await terminal.question(question)).trim().toLowerCase();
  } finally {
    terminal.close();
  }
}

/**
 * Seconds from `45s`, `10m`, `2h` or `1d`; undefined from anything else. A bare number would be seconds to
 * some and minutes to others.
 */
export function writtenSpan(text: string): number | undefined {
  return /[smhd]\s*$/i.test(text) ? readSeconds(text) : undefined;
}

/** The same as the value of an option; USAGE where it is none, or more than `maxMs`. */
export function readSpan(option: string, text: string, maxMs: number): number {
  const seconds = writtenSpan(text) ?? 0;
  if (seconds >= 1 && seconds * 1000 <= maxMs) return seconds;
  const ways = `write 45s, 10m, 2h or 1d, from 1s to ${maxMs / 86_400_000}d`;
  throw new CliError("USAGE", `${option} "${text}" is no time: ${ways}.`);
}

/**
 * All of a stream as text, without one line break at its end. USAGE when it exceeds `maxBytes`, which
 * is known without reading the rest, or is not UTF-8.
 */
export async function readStdin(stdin: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    // Two more for the line break that is left out.
    if (sizeBytes > maxBytes + 2) throw tooLong(maxBytes);
  }
  const text = decode(Buffer.concat(chunks)).replace(/\r?\n$/, "");
  if (Buffer.byteLength(text) > maxBytes) throw tooLong(maxBytes);
  return text;
}

function tooLong(maxBytes: number): CliError {
  return new CliError(
    "USAGE",
    `The text on stdin exceeds ${maxBytes} bytes: put it in a file and send the file's path.`,
  );
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CliError("USAGE", "The text on stdin is not UTF-8: convert it, or send its path.", {
      cause,
    });
  }
}
