import type { Node } from "jsonc-parser";
import type { JsonDocument } from "./json-document.js";
import { commaAfter } from "./json-layout.js";

/** The text without one member of an object or array, its line and its comma. Comments stay. */
export function cutMember({ text }: JsonDocument, container: Node, member: Node): string {
  const members = container.children ?? [];
  const end = member.offset + member.length;
  const start = member.offset - leadOf(text, member.offset).length;
  const comma = commaAfter(text, end);
  if (comma !== undefined) return cut(text, [start, end], [comma, comma + 1]);
  const previous = members[members.indexOf(member) - 1];
  if (previous !== undefined) {
    const before = commaAfter(text, previous.offset + previous.length) ?? start;
    return cut(text, [before, before + 1], [Math.max(start, before + 1), end]);
  }
  return collapse(text.slice(0, start), text.slice(end), container.type === "array" ? "]" : "}");
}

/** The line break and the indentation before an offset, or the blanks where it does not begin a line. */
function leadOf(text: string, offset: number): string {
  return /(?:\r?\n)?[ \t]*$/.exec(text.slice(0, offset))?.[0] ?? "";
}

/** Removes spans that do not overlap and are in order. */
function cut(text: string, ...spans: readonly (readonly [number, number])[]): string {
  let kept = "";
  let from = 0;
  for (const [start, end] of spans) {
    kept += text.slice(from, start);
    from = end;
  }
  return kept + text.slice(from);
}

/** Brackets with nothing between them stand together. */
function collapse(head: string, tail: string, closing: string): string {
  const opened = /[[{]$/.test(head);
  const rest = tail.trimStart();
  return opened && rest.startsWith(closing) ? head + rest : head + tail;
}
