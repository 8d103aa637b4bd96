import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const buf = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));

/** Runs `buf curl`, a client that knows nothing of a service but what its reflection says, and gives its output. */
export async function bufCurl(address: string, ...args: string[]): Promise<string> {
  const socket = address.slice("unix:".length);
  const transport = ["--protocol", "grpc", "--http2-prior-knowledge", "--unix-socket", socket];
  const { stdout } = await promisify(execFile)(buf, ["curl", ...transport, ...args]);
  return stdout;
}
