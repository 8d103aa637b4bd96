import stringWidth from "string-width";

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
