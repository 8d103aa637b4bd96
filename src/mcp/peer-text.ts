/**
 * Text that a peer wrote, as a model may see it: without what hides or reorders text, and with tags
 * made inert, so that nothing in it looks like the host's own words. `&lt;` stands for `<`, and `&amp;`
 * for an `&` that would otherwise read as such a sign; `a && b` and `?x=1&y=2` stay as they are.
 */
export function peerText(text: string): string {
  return text
    .replaceAll(/\r\n|[\u2028\u2029]/g, "\n")
    .replaceAll(hidden, "")
    .replaceAll(spelling, "")
    .replaceAll(/&(?=#?\w+;)/g, "&amp;")
    .replaceAll("<", "&lt;");
}

/** The same of every string in a structure, keys too. */
export function peerData<T>(value: T): T {
  return sanitise(value) as T;
}

function sanitise(value: unknown): unknown {
  if (typeof value === "string") return peerText(value);
  if (Array.isArray(value)) return value.map(sanitise);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [peerText(key), sanitise(member)]),
  );
}

/**
 * Control characters except tab and line feed; the marks that reorder text; zero-width space and byte
 * order mark; invisible operators; the tag characters, which spell text that only a model reads.
 */
const hidden =
  /[^\P{Cc}\t\n]|[\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}]/gu;

/**
 * Variation selectors after the first: one chooses how a character looks, a row of them shows nothing
 * and can spell any text.
 */
const spelling = /(?<=[\uFE00-\uFE0F\u{E0100}-\u{E01EF}])[\uFE00-\uFE0F\u{E0100}-\u{E01EF}]+/gu;
