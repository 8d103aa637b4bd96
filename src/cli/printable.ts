import { stripVTControlCharacters } from "node:util";

/**
 * Text of a peer as it may go to a terminal: a peer must not be able to move the cursor, change the
 * title, hide words or reverse their order. Line breaks and tabs stay.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(lineBreak, "\n").replaceAll(unprintable, "");
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll(/\s+/gu, " ").trim();
}

const lineBreak = /\r\n|[\r\u2028\u2029]/gu;

/** Controls but for the line break and the tab, marks that reorder text, and lone surrogates. */
const unprintable = /(?![\n\t])[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu;
