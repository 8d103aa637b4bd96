import type { Command } from "commander";
import { ExitCode } from "./exit-codes.js";
import { Output } from "./print/output.js";

/** What every command works with. */
export interface Shell {
  /** Absolute path of the program, with which a broker is started. */
  readonly program: string;
  readonly out: Output;
  /** Standard error: what is said beside the answer. */
  readonly notes: Output;
  /** What more there is to say of a command line that was not understood, by Commander's code. */
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
