const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds from `90`, `"90"`, `"90s"`, `"10m"`, `"2h"` or `"1d"`; undefined from anything else. */
export function readSeconds(value: number | string): number | undefined {
  const match = /^\s*(\d+)\s*([smhd]?)\s*$/i.exec(String(value));
  if (match === null) return undefined;
  return Number(match[1]) * (unitSeconds[match[2]?.toLowerCase() || "s"] ?? 1);
}
