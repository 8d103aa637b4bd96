import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Bench } from "./bench-run.js";
import { programFile } from "./build.js";
import { storePeers, textBytes } from "./limits.js";
import type { StorePlace } from "./store-place.js";

/** Fills a store that is empty with so many messages, and notes how long that took. */
export async function runFiller(bench: Bench, place: StorePlace, size: number): Promise<void> {
  const what = `${place.technology === "nats" ? "NATS" : "SQLite"} store of ${sizeWords(size)}`;
  bench.tell(`… the ${what} is filled`);
  const args = [
    programFile("filler"),
    JSON.stringify(place),
    String(size),
    String(storePeers),
    String(textBytes),
  ];
  const { stdout } = await promisify(execFile)(bench.node, args, { signal: bench.signal });
  const { seconds } = JSON.parse(stdout) as { seconds: number };
  bench.notes.push(
    `the ${what} was filled through the store's contract, in batches of 4,096, in ${seconds.toFixed(0)} s.`,
  );
}

export function sizeWords(size: number): string {
  return `${size.toLocaleString("en")} messages`;
}
