import { maxConnections } from "../rpc/limits.js";
import { otherOpenFiles } from "./limits.js";

/**
 * How many connections the broker takes. Each is an open file. Where the process has no more of these,
 * the system closes every new connection without a word, and neither log nor database can be opened.
 */
export function connectionsThatFit(): number {
  const limit = openFilesAllowed();
  if (limit === undefined) return maxConnections;
  return Math.min(maxConnections, Math.max(limit - otherOpenFiles, Math.ceil(limit / 2)));
}

/** As `ulimit -n` has it; undefined where there is no bound, or none is known. */
function openFilesAllowed(): number | undefined {
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } };
  };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : undefined;
}
