import { createScanner, type Node } from "jsonc-parser";

/** How a JSON text is laid out, so that what is added looks like what is there. */
export interface JsonLayout {
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
export function indentOf(text: string, offset: number): string | undefined {
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
export function commaAfter(text: string, offset: number): number | undefined {
  const scanner = createScanner(text, true);
  scanner.setPosition(offset);
  scanner.scan();
  const next = scanner.getTokenOffset();
  return text[next] === "," ? next : undefined;
}
