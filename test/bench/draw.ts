import type { Figures, Report, RowReport } from "./report.js";
import { subjects } from "./row.js";

const panel = { width: 320, height: 170, left: 52, right: 18, top: 34, bottom: 40 };
const legendLetter = 6.4;
const columns = 2;
const colours = ["#1f77d0", "#d9720b", "#2a9d5c", "#a05fc4", "#c23b4e", "#7a7f87"];
const head = 46;

/** The latency of rows by percentile, a panel for each: as a picture (SVG) for light and dark pages. */
export function drawLatencies(report: Report, ids: readonly string[]): string {
  const panels = rowsOf(report, ids).map((row): Panel => {
    const lines = Object.entries(row.figures)
      // This build first, and so in the same colour everywhere.
      .toSorted(([a], [b]) => Number(b === subjects.ours) - Number(a === subjects.ours))
      .map(([name, { percentiles = [] }]) => ({
        name,
        points: percentiles.map(([percent, value]) => [tailPlace(percent), value] as const),
      }));
    const ticks = [0, 50, 90, 99, 99.9].map(
      (percent) => [tailPlace(percent), `${percent}`] as const,
    );
    return { title: row.title, lines, ticks, unit: `${row.unit} by percentile` };
  });
  return drawPanels(panels, `Latency by percentile, ${words(report)}`);
}

/** The medians of rows whose subjects are sizes, by size. */
export function drawGrowth(report: Report, ids: readonly string[]): string {
  const panels = rowsOf(report, ids).map((row): Panel => {
    const sizes = Object.entries(row.figures)
      .map(([name, figures]) => ({ size: Number(name.replaceAll(/\D/g, "")), figures }))
      .filter(({ size }) => size > 0);
    const line = (name: string, of: (figures: Figures) => number) => ({
      name,
      points: sizes.map(({ size, figures }) => [Math.log10(size), of(figures)] as const),
    });
    return {
      title: row.title,
      lines: [line("p50", ({ p50 }) => p50), line("p90", ({ p90 }) => p90)],
      ticks: sizes.map(({ size }) => [Math.log10(size), size.toLocaleString("en")] as const),
      unit: `${row.unit} by messages stored`,
    };
  });
  return drawPanels(panels, `Growth with the store, ${words(report)}`);
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
  /** Places on the horizontal axis with their words. */
  readonly ticks: readonly (readonly [number, string])[];
}

/** A percentile's place: each nine as wide as the one before. */
function tailPlace(percent: number): number {
  return -Math.log10(1 - percent / 100);
}

function rowsOf({ rows }: Report, ids: readonly string[]): RowReport[] {
  return rows.filter(({ id, unmeasured }) => ids.includes(id) && unmeasured === undefined);
}

function words({ date, mode, machine }: Report): string {
  return `${date}, ${mode} run, Node ${machine.node}, ${machine.cores} cores`;
}

function drawPanels(panels: readonly Panel[], title: string): string {
  const width = columns * (panel.left + panel.width + panel.right);
  const height = head + Math.ceil(panels.length / columns) * outerHeight();
  const parts = panels.map((one, index) => {
    const x = (index % columns) * (panel.left + panel.width + panel.right);
    const y = head + Math.floor(index / columns) * outerHeight();
    return `<g transform="translate(${x} ${y})">${drawPanel(one)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<style>
.page{fill:#fff}text{fill:#444}.title{fill:#111}.axis{stroke:#bbb;fill:none}
@media(prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#9aa4af}.title{fill:#e6edf3}.axis{stroke:#3d444d}}
</style>
<rect class="page" width="100%" height="100%"/>
<text class="title" x="12" y="22" font-size="13">${escape(title)}</text>
${parts.join("\n")}
</svg>
`;
}

function outerHeight(): number {
  return panel.top + panel.height + panel.bottom + 10;
}

function drawPanel({ title, unit, lines, ticks }: Panel): string {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) return "";
  const [first, last] = rangeOf(points.map(([x]) => x).concat(ticks.map(([x]) => x)));
  const [least, largest] = rangeOf(points.map(([, y]) => Math.log10(y)));
  const [bottomPower, topPower] = [
    Math.floor(least),
    Math.max(Math.ceil(largest), Math.floor(least) + 1),
  ];
  const x = (at: number): number =>
    panel.left + ((at - first) / Math.max(last - first, 1e-9)) * panel.width;
  const y = (value: number): number =>
    panel.top + panel.height * (1 - (Math.log10(value) - bottomPower) / (topPower - bottomPower));
  const powers = Array.from(
    { length: topPower - bottomPower + 1 },
    (_, index) => bottomPower + index,
  );
  const levels = powers.map((power) => {
    const at = y(10 ** power).toFixed(1);
    return `<path class="axis" d="M${panel.left} ${at}H${panel.left + panel.width}"/><text x="${panel.left - 6}" y="${Number(at) + 4}" text-anchor="end">${10 ** power}</text>`;
  });
  const bottom = panel.top + panel.height;
  const marks = ticks.map(
    ([at, word]) =>
      `<text x="${x(at).toFixed(1)}" y="${bottom + 15}" text-anchor="middle">${escape(word)}</text>`,
  );
  const curves = lines.map((line, index) => {
    const colour = colours[index % colours.length];
    const path = line.points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
    const before = lines.slice(0, index).reduce((sum, { name }) => sum + name.length + 2, 0);
    return `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.6"/><text x="${panel.left + before * legendLetter}" y="${bottom + 33}" style="fill:${colour}">${escape(line.name)}</text>`;
  });
  return `<text class="title" x="${panel.left}" y="${panel.top - 18}">${escape(title)}</text><text x="${panel.left}" y="${panel.top - 5}">${escape(unit)}</text>
${levels.join("")}
${marks.join("")}
${curves.join("\n")}`;
}

function rangeOf(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("`", "");
}
