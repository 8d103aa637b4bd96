/** How long ago a moment was, in one unit: `now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. */
export function relativeTime(timeMs: number, nowMs: number): string {
  const agoMs = nowMs - timeMs;
  return agoMs < 1000 ? "now" : `${span(agoMs)} ago`;
}

/** A span in its largest whole unit: `12 s`, `3 min`, `2 h`, `5 d`. */
export function span(ms: number): string {
  const [unitMs, unit] = units.find(([unitMs]) => ms >= unitMs) ?? smallest;
  return `${Math.floor(ms / unitMs)} ${unit}`;
}

const smallest = [1000, "s"] as const;
const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], smallest] as const;
