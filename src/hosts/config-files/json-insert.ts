import type { Node } from "jsonc-parser";
import type { JsonDocument } from "./json-document.js";
import {
  commaAfter,
  indentOf,
  layoutOf,
  lineIndentOf,
  render,
  type JsonLayout,
} from "./json-layout.js";

/**
 * The text with a new first member in an object or array. First, because there it is one insertion
 * that moves no comment away from what it is about: after the last member there may be one.
 */
export function insertMember(
  { text, root }: JsonDocument,
  container: Node,
  member: Member,
): string {
  const layout = layoutOf(text, root);
  const first = container.children?.[0];
  const opened = container.offset + 1;
  const inLine = first !== undefined && indentOf(text, first.offset) === undefined;
  // In a line, what came after a comment would be part of it.
  const at = inLine ? opened : afterComments(text, opened);
  const inserted =
    first === undefined
      ? sole(text, container, at, member, layout)
      : beforeFirst(text, first, at, member, layout);
  return text.slice(0, at) + inserted + text.slice(at);
}

/** The text with another element after the last one, and after the comments that end its line. */
export function appendElement({ text, root }: JsonDocument, last: Node, value: unknown): string {
  const layout = layoutOf(text, root);
  const end = last.offset + last.length;
  const indent = indentOf(text, last.offset);
  if (indent === undefined) {
    const gap = layout.oneLine ? "" : " ";
    const element = render(value, "", { ...layout, oneLine: true });
    return `${text.slice(0, end)},${gap}${element}${text.slice(end)}`;
  }
  const at = commaAfter(text, end) === undefined ? afterComments(text, end) : end;
  const line = `${layout.lineEnd}${indent}${render(value, indent, layout)}`;
  return `${text.slice(0, end)},${text.slice(end, at)}${line}${text.slice(at)}`;
}

interface Member {
  readonly name: string | undefined;
  readonly value: unknown;
}

function beforeFirst(
  text: string,
  first: Node,
  at: number,
  member: Member,
  layout: JsonLayout,
): string {
  const indent = indentOf(text, first.offset);
  if (indent === undefined) {
    const gap = /^[ \t]*/.exec(text.slice(at))?.[0] ?? "";
    return `${gap}${memberText(member, "", { ...layout, oneLine: true })},`;
  }
  return `${layout.lineEnd}${indent}${memberText(member, indent, layout)},`;
}

function sole(
  text: string,
  container: Node,
  at: number,
  member: Member,
  layout: JsonLayout,
): string {
  if (layout.oneLine) return memberText(member, "", layout);
  const outer = lineIndentOf(text, container.offset);
  const indent = outer + layout.step;
  const tail = text.slice(at, container.offset + container.length);
  const end = tail.includes("\n") ? "" : layout.lineEnd + outer;
  return `${layout.lineEnd}${indent}${memberText(member, indent, layout)}${end}`;
}

/** Past the comments that end the line at an offset. */
function afterComments(text: string, offset: number): number {
  const comments = /(?:[ \t]*\/\*(?:(?!\*\/)[^\r\n])*\*\/)*(?:[ \t]*\/\/[^\r\n]*)?(?=[ \t]*\r?\n)/y;
  comments.lastIndex = offset;
  return offset + (comments.exec(text)?.[0].length ?? 0);
}

function memberText({ name, value }: Member, indent: string, layout: JsonLayout): string {
  const rendered = render(value, indent, layout);
  if (name === undefined) return rendered;
  return `${JSON.stringify(name)}:${layout.oneLine ? "" : " "}${rendered}`;
}
