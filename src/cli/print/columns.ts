import stringWidth from "string-width";
import wrapAnsi from "wrap-ansi";

/** Rows as lines with aligned columns, as wide on screen as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, stringWidth(cell));
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join(gap)
      .trimEnd(),
  );
}

/** At most `width` columns of uncoloured text; what was left out shows as `…`. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) {
    return text;
  }
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) {
      break;
    }
    kept += segment;
  }
  return `${kept}…`;
}

/** Between two columns. */
export const gap = "  ";

function pad(cell: string, width: number): string {
  return cell + " ".repeat(width - stringWidth(cell));
}

/**
 * A line as lines of at most `width` columns, broken between words. Those after the first are indented
 * by `hanging` columns: by default deeper than the line itself, so that none passes for a line of its
 * own. A command between backticks stays whole, and so does a word that is too long: both are there to
 * be copied. With `hard` nothing stays whole.
 */
export function wrap(
  line: string,
  width: number,
  { hanging, hard = false }: { hanging?: number; hard?: boolean } = {},
): string[] {
  if (stringWidth(line) <= width) return [line];
  // Colours may stand before the indent.
  // oxlint-disable-next-line no-control-regex -- these controls are what it looks for
  const [before = "", codes = ""] = /^((?:\u001B\[[\d;]*m)*) */u.exec(line) ?? [];
  const rest = line.slice(before.length);
  const half = Math.floor(width / 2);
  const indent = Math.min(before.length - codes.length, half);
  const deeper = Math.min(hanging ?? indent + 2, half);
  const text = hard ? rest : rest.replaceAll(/`[^`]*`/g, (code) => code.replaceAll(" ", kept));
  const rows = wrapAnsi(codes + text, Math.max(1, width - Math.max(indent, deeper)), { hard });
  return rows
    .replaceAll(kept, " ")
    .split("\n")
    .map((row, index) => " ".repeat(index === 0 ? indent : deeper) + row);
}

/** Stands for a space at which no line may end. */
const kept = "\uE000";
