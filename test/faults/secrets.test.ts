import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { compilePreload } from "./preload.js";
import { type FileEvent, folderFile, recordProgram } from "./recording.js";

test("a new secret, its name and its folder are on the disk before it is used", async (context) => {
  const folder = temporaryDirectory();
  const preload = compilePreload("record-writes", folder);
  if ("impossible" in preload) return context.skip(preload.impossible);
  const recorded = join(folder, "home");
  mkdirSync(recorded, { mode: 0o700 });
  const events = await recordProgram({
    name: "recorded-secrets",
    parameters: [recorded],
    folder,
    recorded,
    preload: preload.path,
  });
  const steps = new Steps(events);

  const secret = steps.numberOf(/^peers\/.+\.secret\..+\.new$/);
  const hasSecret = steps.indexOf("create", steps.numberOf(/^has a secret$/));
  steps.expectOrder(
    steps.indexOf("write", secret),
    steps.indexOf("sync", secret),
    // It has its name by now: this one is taken from it.
    steps.indexOfUnlinked(/^peers\/.+\.new$/),
    steps.lastIndexOf("sync", steps.numberOf(/^peers$/), hasSecret),
    hasSecret,
  );
  // The folder was made for it.
  steps.expectOrder(steps.indexOf("sync", folderFile), hasSecret);

  const token = steps.numberOf(/^operator\.token\..+\.new$/);
  const hasToken = steps.indexOf("create", steps.numberOf(/^has a token$/));
  steps.expectOrder(
    steps.indexOf("write", token),
    steps.indexOf("sync", token),
    steps.indexOfUnlinked(/^operator\.token\..+\.new$/),
    steps.lastIndexOf("sync", folderFile, hasToken),
    hasToken,
  );
});

/** What was done, by its place in the order; -1 where it was not. */
class Steps {
  readonly #events: readonly FileEvent[];

  constructor(events: readonly FileEvent[]) {
    this.#events = events;
  }

  numberOf(name: RegExp): number {
    const event = this.#events.find((event) => event.kind === "create" && name.test(event.name));
    if (event?.kind !== "create") throw new Error(`no file ${String(name)} was made`);
    return event.file;
  }

  indexOf(kind: FileEvent["kind"], file: number): number {
    return this.#events.findIndex((event) => is(event, kind, file));
  }

  lastIndexOf(kind: FileEvent["kind"], file: number, before: number): number {
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
