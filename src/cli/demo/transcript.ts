import { systemClock } from "../../clock.js";
import { peerText } from "../../contract/peer-text.js";
import type { Output } from "../print/output.js";
import { table, wrap } from "../print/columns.js";

/** What happens on the stage, line by line, with the seconds since the beginning. */
export class Transcript {
  readonly #out: Output;
  readonly #startMs = systemClock.monotonic();

  constructor(out: Output) {
    this.#out = out;
  }

  get seconds(): string {
    return `${((systemClock.monotonic() - this.#startMs) / 1000).toFixed(1)} s`;
  }

  async title(text: string): Promise<void> {
    await this.#out.lines("", this.#out.color.bold(text), "");
  }

  /** Someone does something; the details stand below, as rows of a table. */
  async act(who: string, what: string, details: readonly string[][] = []): Promise<void> {
    const { color, width } = this.#out;
    const time = color.dim(this.seconds.padStart(timeWidth));
    const act = `${time}  ${color.cyan(who.padEnd(nameWidth))}  ${peerText(what)}`;
    await this.#out.lines(
      ...wrap(act, width, { hanging: indent.length }),
      ...table(details).map((detail) => `${indent}${color.dim(peerText(detail))}`),
    );
  }

  /** What goes wrong on purpose. */
  async blow(who: string, what: string): Promise<void> {
    const { color } = this.#out;
    const time = color.dim(this.seconds.padStart(timeWidth));
    await this.#out.lines(`${time}  ${color.red(who.padEnd(nameWidth))}  ${color.red(what)}`);
  }

  async closing(text: string): Promise<void> {
    await this.#out.lines("", this.#out.color.green(text));
  }
}

const timeWidth = 7;
const nameWidth = 10;
const indent = " ".repeat(timeWidth + 2 + nameWidth + 2);
