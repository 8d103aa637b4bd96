import { connect } from "node:net";
import { EndpointError } from "./endpoint-error.js";
import { errnoOf } from "./errno.js";

/**
 * Whether a process listens on a socket, told by the operating system's own error codes: a gRPC
 * channel reports every failure to connect alike.
 */
export function probeSocket(path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Not connect's own `signal`: of that it never lets go, and one signal lasts for many probes.
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
