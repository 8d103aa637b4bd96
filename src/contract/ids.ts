/** Characters of an id's end that are enough to name it; more are understood. */
export const shortIdLength = 8;

/** The form of an id that is given, for people. */
export const idForm = `a whole id, or its last ${shortIdLength} or more characters`;

const idPattern = "00000000-0000-0000-0000-000000000000";

export function isUuid(text: string): boolean {
  return text.length === idPattern.length && isIdEnd(text);
}

/** Whether a text in lower case is a whole id, or the end of one that is long enough to name it. */
export function isIdEnd(text: string): boolean {
  if (text.length < shortIdLength || text.length > idPattern.length) return false;
  return text.replaceAll(/[0-9a-f]/g, "0") === idPattern.slice(-text.length);
}

/**
 * The part of an id that is enough to name it again. It is the end, which is random; the beginning is
 * a time.
 */
export function shortId(id: string): string {
  return id.slice(-shortIdLength);
}
