import { setFlagsFromString } from "node:v8";

/**
 * Makes the process hold little memory, since each agent has one of its own. Young objects keep the 2 MB
 * that they begin with: by itself their space grows to 32 MB, with the garbage of a few large results. The
 * first V8 that Peerline runs on also compiles early what runs a few times at the start; later ones wait.
 */
export function keepHeapLight(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  const [v8 = 0] = process.versions.v8.split(".").map(Number);
  // A later V8 does not know this one, and says so on standard error.
  if (v8 < 12) setFlagsFromString("--interrupt-budget=1000000");
}
