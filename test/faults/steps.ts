import { expect } from "vitest";
import type { FileEvent } from "./recording.js";

/** What was done, by its place in the order; -1 where it was not. */
export class Steps {
  readonly #events: readonly FileEvent[];

  constructor(events: readonly FileEvent[]) {
    this.#events = events;
  }

  numberOf(name: RegExp): number {
    const event = this.#events.find((event) => event.kind === "create" && name.test(event.name));
    if (event?.kind !== "create") throw new Error(`no file ${String(name)} was made`);
    return event.file;
  }

  indexOf(kind: FileEvent["kind"], file: number, after = -1): number {
    return this.#events.findIndex((event, index) => index > after && is(event, kind, file));
  }

  lastIndexOf(kind: FileEvent["kind"], file: number, before = this.#events.length): number {
    return this.#events.slice(0, before).findLastIndex((event) => is(event, kind, file));
  }

  indexOfUnlinked(name: RegExp): number {
    return this.#events.findIndex((event) => event.kind === "unlink" && name.test(event.name));
  }

  expectOrder(...places: number[]): void {
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  }
}

function is(event: FileEvent, kind: FileEvent["kind"], file: number): boolean {
  return event.kind === kind && "file" in event && event.file === file;
}
