import { visibleText } from "../../contract/peer-text.js";
import type { ConfigEdit } from "../../hosts/config-files/config-edit.js";
import type { Host } from "../../hosts/host.js";
import { difference } from "./difference.js";
import type { Output } from "./output.js";
import { count } from "./receipt-words.js";

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
