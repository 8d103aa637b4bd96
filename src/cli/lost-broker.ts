import { BackOff } from "../back-off.js";
import { sleep } from "../clock.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { Code, RpcError } from "../rpc/error.js";
import { firstReconnectDelayMs, maxReconnectDelayMs } from "./limits.js";
import type { Shell } from "./shell.js";

/**
 * Does something that may be repeated, and again whenever the broker was lost under it, with growing
 * pauses. `attempt` calls `progress` once it has the broker, so that the next pause is a first one.
 */
export async function retryLostBroker<T>(
  attempt: (progress: () => void) => Promise<T>,
  options: {
    /** Called for the first loss of a row. */
    onLost: () => void;
    signal: AbortSignal;
  },
): Promise<T> {
  const backOff = new BackOff({ firstMs: firstReconnectDelayMs, maxMs: maxReconnectDelayMs });
  let isLost = false;
  const progress = () => {
    isLost = false;
    backOff.reset();
  };
  for (;;) {
    try {
      return await attempt(progress);
    } catch (error) {
      if (!isLostBroker(error) && !(isLost && isAway(error))) throw error;
      if (!isLost) options.onLost();
      isLost = true;
      await sleep(backOff.nextMs(), options.signal);
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
    ["BROKER_UNREACHABLE", "BROKER_START_FAILED", "STORE_UNREACHABLE"].includes(error.code)
  );
}

/** Tells whoever waits at a terminal that the broker is gone, and when it is back. */
export function lossNotes({ notes }: Shell): { onLost: () => void; onLive: () => void } {
  let isLost = false;
  // With stderr closed there is nobody to tell.
  const say = (words: string): void => void notes.lines(words).catch(() => {});
  return {
    onLost: () => {
      if (!isLost) say(notes.color.yellow("The broker is gone; looking for it until it is back."));
      isLost = true;
    },
    onLive: () => {
      if (isLost) say(notes.color.green("The broker is back."));
      isLost = false;
    },
  };
}
