import { existsSync } from "node:fs";

/** The worker as it is shipped: a worker thread cannot run from TypeScript. */
export const workerUrl = new URL("../../../dist/sqlite-worker.js", import.meta.url);

if (!existsSync(workerUrl)) {
  throw new Error(`${workerUrl.pathname} is missing: run "npm run build" first.`);
}
