import { AbortScope } from "../src/abort-scope.js";

// Waits for a scope of which only the signal is kept, and of that only what listens to it.
const parent = new AbortController();
const { gc } = globalThis;
if (gc === undefined) throw new Error("run it with --expose-gc");
setInterval(() => {
  gc();
}, 20);
const reason = await new Promise((resolve) => {
  const { signal } = new AbortScope([parent.signal], 500);
  signal.addEventListener("abort", () => resolve(signal.reason));
});
console.log((reason as Error).name);
process.exit(parent.signal.aborted ? 1 : 0);
