import { sleep } from "../clock.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { Code, RpcError } from "../rpc/error.js";
import { firstReconnectDelayMs, maxReconnectDelayMs } from "./limits.js";
import type { Shell } from "./shell.js";

/**
 * Does something that may be repeated, and again where the broker was lost under it: at most
 * `maxReconnects` times in a row, with growing pauses. `attempt` calls `progress` when the row ends.
 */
export async function retryLostBroker<T>(
  attempt: (progress: () => void) => Promise<T>,
  options: {
    maxReconnects: number;
    /** Called for the first loss of a row. */
    onLost?: () => Promise<void>;
    signal?: AbortSignal;
  },
): Promise<T> {
  let lost = 0;
  const progress = () => {
    lost = 0;
  };
  for (;;) {
    try {
      return await attempt(progress);
    } catch (error) {
      const again = isLostBroker(error) || (lost > 0 && isAway(error));
      if (!again || lost === options.maxReconnects) throw error;
      if (lost === 0) await options.onLost?.();
      await sleep(Math.min(maxReconnectDelayMs, firstReconnectDelayMs * 2 ** lost), options.signal);
      lost++;
    }
  }
}

/** The broker went away under a call, or has been restarted since. */
function isLostBroker(error: unknown): boolean {
  return (
    error instanceof RpcError &&
    (error.code === Code.Unavailable || error.code === Code.Unauthenticated)
  );
}

/** No broker answers: worth another look only where one has just been lost. */
function isAway(error: unknown): boolean {
  return (
    error instanceof EndpointError &&
    (error.code === "BROKER_UNREACHABLE" || error.code === "BROKER_START_FAILED")
  );
}

/** Tells whoever waits at a terminal that the broker is gone, and when it is back. */
export function lossNotes({ notes }: Shell): {
  onLost: () => Promise<void>;
  onLive: () => Promise<void>;
} {
  let isLost = false;
  return {
    onLost: async () => {
      isLost = true;
      const words = "The broker is gone; looking for it until it is back.";
      await notes.lines(notes.color.yellow(words));
    },
    onLive: async () => {
      if (isLost) await notes.lines(notes.color.green("The broker is back."));
      isLost = false;
    },
  };
}
