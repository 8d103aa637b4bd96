/**
 * One value as one line of JSON. What a terminal would act on is escaped: JSON itself escapes only the
 * controls below U+0020. Nothing is lost.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
