import type { JetStreamManager } from "@nats-io/jetstream";
import { BackOff } from "../../back-off.js";
import { sleep, type Clock } from "../../clock.js";
import type { Link } from "./connect.js";
import { isPassing } from "./link-error.js";
import { firstPublishWaitMs, maxPublishWaitMs } from "./limits.js";

/**
 * Makes a request that may be repeated: a read, or one of the streams' administration. It is made again
 * while there is no leader, no answer or no connection, until the clock's `endMs`. Then, and for every other
 * reason, it rejects as the client does: `explainApi` says it in words.
 */
export async function throughElection<T>(
  link: Link,
  { clock, endMs }: { clock: Clock; endMs: number },
  request: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  const waits = new BackOff({ firstMs: firstPublishWaitMs, maxMs: maxPublishWaitMs });
  for (;;) {
    try {
      return await request(link.manager);
    } catch (error) {
      const waitMs = waits.nextMs();
      if (!isPassing(error) || clock.monotonic() + waitMs >= endMs) throw error;
      await sleep(waitMs);
      await link.whenConnected(endMs - clock.monotonic());
    }
  }
}
