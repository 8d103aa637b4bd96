import type { Writable } from "node:stream";
import pc from "picocolors";
import { unsafe } from "../../contract/peer-text.js";
import { CliError } from "../failure.js";
import { wrap } from "./columns.js";

/** Standard output or error: a terminal, a file or a pipe. */
type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

type Colors = ReturnType<typeof pc.createColors>;

/** Where a command's words go. Coloured only for a person: on a terminal, and not against NO_COLOR. */
export class Output {
  readonly color: Colors;
  readonly isTerminal: boolean;
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY ?? false;
    this.color = pc.createColors(this.isTerminal && pc.isColorSupported);
    // Each write tells of its own failure; without a listener the stream's would end the process.
    stream.on("error", () => {});
  }

  /** The columns of the terminal; endless where there is none, or it does not say. */
  get width(): number {
    return (this.isTerminal && this.#stream.columns) || Number.POSITIVE_INFINITY;
  }

  /** Resolves when the operating system has the text; OUTPUT_CLOSED when nobody reads it. */
  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(text, (error) => {
        if (error) reject(closed(error));
        else resolve();
      });
    });
  }

  /** Lines for people, broken between words where the terminal is narrower. */
  async lines(...lines: readonly string[]): Promise<void> {
    const { width } = this;
    await this.exact(
      ...lines.flatMap((line) => line.split("\n")).flatMap((line) => wrap(line, width)),
    );
  }

  /** Lines that are to be copied, or compared: as they are. */
  async exact(...lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.write(`${lines.join("\n")}\n`);
  }

  async json(value: unknown): Promise<void> {
    await this.write(`${jsonLine(value)}\n`);
  }
}

function closed(cause: NodeJS.ErrnoException): Error {
  if (cause.code !== "EPIPE" && cause.code !== "ERR_STREAM_DESTROYED") return cause;
  return new CliError("OUTPUT_CLOSED", "Nobody reads the output any more.", { cause });
}

/**
 * One value as one line of JSON. Whatever is not visible is escaped, and so is what begins a tag: JSON
 * itself escapes only the controls below U+0020. Nothing is lost.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replaceAll(unsafe, (character) =>
    Array.from({ length: character.length }, (_, index) =>
      escaped(character.charCodeAt(index)),
    ).join(""),
  );
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
