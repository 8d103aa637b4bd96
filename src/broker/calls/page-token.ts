import type { BrokerError } from "../broker-error.js";
import { boundBytes, invalidField } from "../fields.js";
import { maxPageTokenBytes } from "../limits.js";

/** Page tokens: opaque to callers, a JSON array inside. */

export function formatPageToken(key: readonly (string | number | boolean)[]): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

export function parsePageToken(token: string): unknown[] {
  boundBytes("page_token", token, maxPageTokenBytes);
  try {
    const key: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (Array.isArray(key)) return key;
  } catch {
    // Not JSON: refused below, like everything that is not a token of ours.
  }
  throw foreignPageToken();
}

export function foreignPageToken(): BrokerError {
  return invalidField(
    "page_token",
    "page_token must be the next_page_token of the answer before, or empty",
  );
}

export function readPageSize(size: number, byDefault: number, maximum: number): number {
  if (size > maximum) throw invalidField("page_size", `page_size must be at most ${maximum}`);
  return size === 0 ? byDefault : size;
}
