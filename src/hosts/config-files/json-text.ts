import { createScanner, type Node } from "jsonc-parser";
import type { JsonDocument } from "./json-document.js";

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
  const indent = first === undefined ? undefined : indentOf(text, first.offset);
  if (first !== undefined && indent === undefined) {
    // In a line, what came after a comment would be part of it.
    const gap = /^[ \t]*/.exec(text.slice(opened))?.[0] ?? "";
    const inLine = memberText(member, "", { ...layout, oneLine: true });
    return `${text.slice(0, opened)}${gap}${inLine},${text.slice(opened)}`;
  }
  const at = afterComments(text, opened);
  const outer = lineIndentOf(text, container.offset);
  const own = layout.oneLine ? "" : (indent ?? outer + layout.step);
  const line = memberText(member, own, layout);
  const isEnded = text.slice(at, container.offset + container.length).includes("\n");
  const end = first === undefined ? (isEnded ? "" : layout.lineEnd + outer) : ",";
  const inserted = layout.oneLine ? line : layout.lineEnd + own + line + end;
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

/** How a JSON text is laid out, so that what is added looks like what is there. */
interface JsonLayout {
  readonly lineEnd: string;
  /** One step of indentation. */
  readonly step: string;
  /** The whole text is one line. */
  readonly oneLine: boolean;
}

export function layoutOf(text: string, root: Node): JsonLayout {
  const first = root.children?.[0];
  const step = first === undefined ? undefined : indentOf(text, first.offset);
  return {
    lineEnd: text.includes("\r\n") ? "\r\n" : "\n",
    step: step === undefined || step === "" ? "  " : step,
    oneLine: first !== undefined && !text.trim().includes("\n"),
  };
}

/** The blanks before an offset; undefined where more than blanks stands before it on its line. */
function indentOf(text: string, offset: number): string | undefined {
  return /(?:^|\n)([ \t]*)$/.exec(text.slice(0, offset))?.[1];
}

/** The blanks at the start of the line of an offset. */
export function lineIndentOf(text: string, offset: number): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start))?.[0] ?? "";
}

/** A value as text, to stand at this indentation. */
export function render(value: unknown, indent: string, layout: JsonLayout): string {
  if (layout.oneLine) return JSON.stringify(value);
  return JSON.stringify(value, null, layout.step).replaceAll("\n", layout.lineEnd + indent);
}

/** Where the comma stands that comes next after an offset, past blanks and comments; undefined where none does. */
function commaAfter(text: string, offset: number): number | undefined {
  const scanner = createScanner(text, true);
  scanner.setPosition(offset);
  scanner.scan();
  const next = scanner.getTokenOffset();
  return text[next] === "," ? next : undefined;
}
