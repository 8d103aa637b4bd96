import { readSeconds } from "../mcp/words.js";

/**
 * Seconds from `45s`, `10m`, `2h` or `1d`; undefined from anything else. A bare number would be seconds to
 * some and minutes to others.
 */
export function writtenSpan(text: string): number | undefined {
  return /[smhd]\s*$/i.test(text) ? readSeconds(text) : undefined;
}
