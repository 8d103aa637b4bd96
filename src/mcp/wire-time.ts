import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";

/** A time in whole seconds, for example `2026-11-22T17:56:53Z`; undefined where there is none. */
export function wireTime(timestamp: Timestamp | undefined): string | undefined {
  if (timestamp === undefined) return undefined;
  return `${timestampDate(timestamp).toISOString().slice(0, 19)}Z`;
}
