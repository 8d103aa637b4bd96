import type { StartReport } from "../endpoint/start-report.js";

/**
 * Says how the start ended: to the process that started this one, if it waits on a channel, else to a
 * person, as `sentence` on stderr. Neither need be there any more.
 */
export async function reportStart(report: StartReport, sentence: string): Promise<void> {
  if (process.send === undefined) {
    process.stderr.write(`${sentence}\n`);
    return;
  }
  await new Promise<void>((resolve) => {
    process.send?.(report, undefined, undefined, () => resolve());
  });
  if (process.connected) process.disconnect();
}
