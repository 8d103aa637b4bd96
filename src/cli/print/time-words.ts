/** A moment on the local clock: `12:03:05`, with the date in front of it on any other day than today. */
export function clockTime(timeMs: number, nowMs: number): string {
  const moment = new Date(timeMs);
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":");
  return moment.toDateString() === new Date(nowMs).toDateString()
    ? time
    : `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

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
