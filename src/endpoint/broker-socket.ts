import { watch } from "node:fs/promises";
import { connect } from "node:net";
import { basename, dirname } from "node:path";
import { AbortScope } from "../abort-scope.js";
import { sleep } from "../clock.js";
import { EndpointError, errnoOf } from "./endpoint-error.js";
import { maxSocketPathBytes } from "./limits.js";

/** Refuses a path that the operating system would cut off; `fix` says what to do about it. */
export function checkSocketPath(path: string, fix: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  throw new EndpointError(
    "SOCKET_PATH_TOO_LONG",
    `The socket's path has ${bytes} bytes and may have ${maxSocketPathBytes}: ${path}. ${fix}`,
  );
}

/**
 * Whether a process listens on a socket, told by the operating system's own error codes: a gRPC
 * channel reports every failure to connect alike.
 */
export function probeSocket(path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Not connect's own `signal`: connect never removes its listener, and one signal serves many
    // probes.
    const socket = connect({ path });
    const abort = () => socket.destroy(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", abort));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (cause) => {
      const errno = errnoOf(cause) ?? "";
      if (signal.aborted) reject(signal.reason as Error);
      else if (absent.has(errno)) resolve(false);
      // The queue of connections to accept is full: somebody listens.
      else if (errno === "EAGAIN") resolve(true);
      else reject(unusable(path, errno, cause));
    });
  });
}

/** No socket, nobody behind it, or one that was killed while the connection waited to be accepted. */
const absent = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"]);

function unusable(path: string, errno: string, cause: unknown): EndpointError {
  const message = `No broker can be reached at ${path} (${errno}).`;
  return new EndpointError("BROKER_UNREACHABLE", message, { cause });
}

/**
 * Resolves when a socket's file is made or removed, at the latest after `ms`. Where the system has no
 * watch to give (they are few, and shared with editors), only the time counts.
 */
export async function waitForSocket(path: string, ms: number, signal: AbortSignal): Promise<void> {
  using wait = new AbortScope([signal]);
  await Promise.race([fileChange(path, wait.signal), sleep(ms, wait.signal)]);
}

async function fileChange(path: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of watch(dirname(path), { signal })) {
      if (event.filename === basename(path)) return;
    }
  } catch {
    // No watch, or no longer one: the other side of the race ends the wait.
    await new Promise<never>(() => {});
  }
}
