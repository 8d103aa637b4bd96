import { createHash } from "node:crypto";
import type { BrokerError } from "../broker-error.js";
import { boundBytes, invalidField } from "../fields.js";
import { maxPageTokenBytes } from "../limits.js";

type Values = readonly (string | number | boolean)[];

/**
 * Opaque to callers. It holds a digest of the request, and the place where the next page begins. A token
 * is good for the same request only; the page size may differ.
 */
export function formatPageToken(request: Values, position: Values): string {
  return Buffer.from(JSON.stringify([digest(request), ...position])).toString("base64url");
}

/** The position in a token for this request; undefined for the first page. */
export function parsePageToken(request: Values, token: string): Values | undefined {
  if (token === "") return undefined;
  boundBytes("page_token", token, maxPageTokenBytes);
  try {
    const [, ...position] = JSON.parse(Buffer.from(token, "base64url").toString()) as Values;
    // Node's decoder passes over what is not base64url: a token counts as it was given out.
    if (formatPageToken(request, position) === token) return position;
  } catch {
    // No array in JSON: refused below, like everything that is not a token of ours.
  }
  throw foreignPageToken();
}

export function foreignPageToken(): BrokerError {
  return invalidField(
    "page_token",
    "page_token must be empty, or the next_page_token of the answer before, with the other fields as they were",
  );
}

export function readPageSize(size: number, byDefault: number, maximum: number): number {
  return Math.min(size || byDefault, maximum);
}

function digest(request: Values): string {
  return createHash("sha256").update(JSON.stringify(request)).digest("base64url").slice(0, 16);
}
