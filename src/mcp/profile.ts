import { hostname } from "node:os";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProfileSchema } from "../../gen/peerline/v1/peer_pb.js";
import { findCheckout } from "./checkout.js";
import { maxBranchBytes, maxClientBytes } from "./limits.js";

/** The program that an adapter serves. */
export interface Client {
  readonly name: string;
  readonly version: string;
}

/**
 * What an agent says of itself when it registers. Its summary is not here: the broker keeps that. Without
 * a working directory it has no root either, and its peer is found by its conversation or name alone.
 */
export async function describeAgent(client: Client, cwd: string | undefined) {
  const checkout = cwd === undefined ? undefined : await findCheckout(cwd);
  return {
    clientName: cut(client.name, maxClientBytes),
    clientVersion: cut(client.version, maxClientBytes),
    host: hostname(),
    cwd: cwd ?? "",
    root: checkout?.root ?? cwd ?? "",
    branch: cut(checkout?.branch ?? "", maxBranchBytes),
  } satisfies MessageInitShape<typeof ProfileSchema>;
}

/** At most so many bytes of UTF-8, without half a character at the end. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\uFFFD+$/, "");
}
