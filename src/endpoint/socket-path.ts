import { EndpointError } from "./endpoint-error.js";
import { maxSocketPathBytes } from "./limits.js";

/** Refuses a path that the operating system would cut off; `mend` says what to do about it. */
export function checkSocketPath(path: string, mend: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  throw new EndpointError(
    "SOCKET_PATH_TOO_LONG",
    `The socket's path has ${bytes} bytes and may have ${maxSocketPathBytes}: ${path}. ${mend}`,
  );
}
