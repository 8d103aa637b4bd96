import type { Writable } from "node:stream";

/**
 * Ends the process, once what was written has left it. A connection that is still being made would hold it for
 * minutes: grpc-js does not give up a socket whose other end is silent.
 */
export async function endProcess(exitCode: number): Promise<never> {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(exitCode);
}

/** Resolves when all before was written, or nobody reads any more. */
async function flushed(stream: Writable): Promise<void> {
  stream.on("error", () => {});
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
