import { visibleText } from "../../contract/peer-text.js";
import type { ConfigEdit } from "../../hosts/config-files/config-edit.js";
import type { FoundPlugin, Host } from "../../hosts/host.js";
import { commandLine } from "../doctor/advice.js";
import { maxDifferenceLineLength } from "../limits.js";
import type { Output } from "./output.js";
import { count } from "./words.js";

/** Planned edits for people to read: a line for each file, and with `verbose` the exact change below it. */
export function editLines(
  host: Host,
  edits: readonly ConfigEdit[],
  { color, verbose }: Pick<Output, "color"> & { readonly verbose: boolean },
): string[] {
  return edits.flatMap((edit) => {
    const changes = difference(edit.file.text ?? "", edit.after ?? "");
    const first = `${host.title}: ${placeOf(edit)}: ${whatOf(edit, changes)}`;
    if (!verbose) return [first];
    const whole = changes.map((line) => {
      const shown = visibleText(line);
      if (line.startsWith("+")) return color.green(shown);
      return line.startsWith("-") ? color.red(shown) : shown;
    });
    return [first, ...whole];
  });
}

/** The file; also where it leads to, since that is what is written. */
export function placeOf({ file: { path, target, stats } }: ConfigEdit): string {
  return visibleText(stats === undefined || path === target ? path : `${path} (${target})`);
}

function whatOf({ file, after }: ConfigEdit, changes: readonly string[]): string {
  const signed = (sign: string) => changes.filter((line) => line.startsWith(sign)).length;
  if (file.text === undefined) return `a new file of ${count(signed("+"), "line")}`;
  if (after === undefined) return "the file goes";
  const parts = [
    ...(signed("+") > 0 ? [`${count(signed("+"), "line")} added`] : []),
    ...(signed("-") > 0 ? [`${count(signed("-"), "line")} removed`] : []),
  ];
  return parts.join(", ");
}

/** What `install` and `uninstall` say of a plugin that is in use: only its host can remove it. */
export function pluginLines(
  { title }: Host,
  { path, removal }: FoundPlugin,
  { says, after }: { readonly says: string; readonly after?: string },
): string[] {
  const rest = after === undefined ? "" : `; then ${after}`;
  return [
    `${title}: its plugin ${says} (${path}).`,
    `  To take the plugin out: ${commandLine(...removal)}${rest}`,
  ];
}

/**
 * What is removed from a text and what is added, as lines that begin with `-` and `+`, after the number
 * of the line where that is. The lines are whole. Of a very long one only the changed part is shown.
 */
export function difference(before: string, after: string): string[] {
  const [past, now] = [linesOf(before), linesOf(after)];
  const start = commonStart(past, now);
  const end = commonEnd(past.slice(start), now.slice(start));
  let removed = past.slice(start, past.length - end);
  let added = now.slice(start, now.length - end);
  const [old, made] = [removed.join("\n"), added.join("\n")];
  const lead = commonStart(old, made);
  const tail = commonEnd(old.slice(lead), made.slice(lead));
  if (lead + tail > maxDifferenceLineLength) {
    removed = linesOf(old.slice(lead, old.length - tail));
    added = linesOf(made.slice(lead, made.length - tail));
  }
  const signed = [...removed.map((text) => `-${text}`), ...added.map((text) => `+${text}`)];
  return [`@@ line ${start + 1} @@`, ...signed];
}

function commonStart(a: Sequence, b: Sequence): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

function commonEnd(a: Sequence, b: Sequence): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length))
    length += 1;
  return length;
}

/** Lines, or the characters of one. */
type Sequence = string | readonly string[];

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
}
