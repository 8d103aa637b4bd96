import { type Curve, curves, levelOf } from "./level.js";
import type { Sample } from "./sample.js";

const panel = { width: 680, height: 84, left: 44, gap: 36, top: 46 };

/** The run as a picture (SVG): one panel for each curve, from zero, over minutes. */
export function drawCurves(samples: readonly Sample[], title: string): string {
  const names = Object.keys(curves) as Curve[];
  const height = panel.top + names.length * (panel.height + panel.gap);
  const panels = names.map((name, index) =>
    drawPanel(samples, name, panel.top + index * (panel.height + panel.gap)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${panel.width + panel.left + 12} ${height}" font-family="sans-serif" font-size="11" fill="#444">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="18" font-size="13" fill="#111">${title}</text>
${panels.join("\n")}
</svg>
`;
}

function drawPanel(samples: readonly Sample[], curve: Curve, top: number): string {
  const seconds = samples.at(-1)?.seconds ?? 1;
  const maximum = niceCeiling(Math.max(...samples.map((sample) => sample[curve])));
  const x = (at: number): string => (panel.left + (at / seconds) * panel.width).toFixed(0);
  const y = (value: number): string => (top + panel.height * (1 - value / maximum)).toFixed(1);
  const points = samples.map((sample) => `${x(sample.seconds)},${y(sample[curve])}`).join(" ");
  const { middle, last } = levelOf(samples, curve);
  const bottom = top + panel.height;
  const minutes = seconds / 60;
  const step = minutes > 12 ? 5 : 1;
  const ticks = Array.from({ length: Math.floor(minutes / step) + 1 }, (_, tick) => {
    const at = tick * step;
    return `<text x="${x(at * 60)}" y="${bottom + 13}" text-anchor="middle">${at}${at === 0 ? " min" : ""}</text>`;
  });
  return `<text x="${panel.left}" y="${top - 6}" fill="#111">${curves[curve]}: ${show(middle)} in the middle third, ${show(last)} in the last</text>
<path d="M${panel.left} ${top}V${bottom}H${panel.left + panel.width}" fill="none" stroke="#bbb"/>
<text x="${panel.left - 5}" y="${top + 8}" text-anchor="end">${maximum}</text>
<text x="${panel.left - 5}" y="${bottom}" text-anchor="end">0</text>
${ticks.join("")}
<polyline points="${points}" fill="none" stroke="#1f6feb" stroke-width="1.3"/>`;
}

function niceCeiling(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return Math.ceil((value * 1.05) / unit) * unit;
}

function show(value: number): string {
  return value.toFixed(1);
}
