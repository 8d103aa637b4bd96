import { maxDifferenceLineLength } from "../limits.js";

/**
 * What is removed from a text and what is added, as lines that begin with `-` and `+`, after the number
 * of the line where that is. Whole lines, but for one that is very long: of that the changed part.
 */
export function difference(before: string, after: string): string[] {
  let start = commonStart(before, after);
  let rest = commonEnd(before.slice(start), after.slice(start));
  const lead = start - (before.lastIndexOf("\n", start - 1) + 1);
  const tail = lengthOfLine(before.slice(before.length - rest));
  if (lead + tail <= maxDifferenceLineLength) {
    start -= lead;
    rest -= tail;
  }
  const removed = linesOf(before.slice(start, before.length - rest));
  const added = linesOf(after.slice(start, after.length - rest));
  let line = before.slice(0, start).split("\n").length;
  // An edit between two lines begins at the end of the first, or ends at the start of the second.
  while (removed.length > 0 && removed[0] === added[0]) {
    removed.shift();
    added.shift();
    line += 1;
  }
  while (removed.length > 0 && removed.at(-1) === added.at(-1)) {
    removed.pop();
    added.pop();
  }
  const signed = [...removed.map((text) => `-${text}`), ...added.map((text) => `+${text}`)];
  return [`@@ line ${line} @@`, ...signed];
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

function commonEnd(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length))
    length += 1;
  return length;
}

function lengthOfLine(text: string): number {
  const end = text.indexOf("\n");
  return end === -1 ? text.length : end;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
}
