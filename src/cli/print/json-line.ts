import { unsafe } from "../../contract/peer-text.js";

/**
 * One value as one line of JSON. Whatever is not visible is escaped, and so is what begins a tag: JSON
 * itself escapes only the controls below U+0020. Nothing is lost.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replaceAll(unsafe, (character) =>
    Array.from({ length: character.length }, (_, index) =>
      escaped(character.charCodeAt(index)),
    ).join(""),
  );
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
