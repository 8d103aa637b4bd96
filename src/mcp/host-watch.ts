import { hostAnswerMs, hostCheckMs } from "./limits.js";

/**
 * Tells when the host is gone although nobody closed the adapter's streams: a process beside the adapter may
 * have inherited the host's end of them, and holds it open.
 *
 * 1. It looks now and then whether the parent that started the adapter is still its parent.
 * 2. A parent that is gone proves nothing: it may have been a wrapper, such as a shell. So it asks the host.
 * 3. Where no answer comes in time, the host is gone: `onLost` is called, once.
 *
 * Returns what ends the watch.
 */
export function watchHost(options: {
  /** The process that is the parent now. */
  parentPid: () => number;
  /** Asks the host for an answer; rejects when none came within this time. */
  ask: (timeoutMs: number) => Promise<unknown>;
  onLost: () => void;
}): () => void {
  const { parentPid, ask, onLost } = options;
  const firstParent = parentPid();
  let isAsking = false;
  const look = async (): Promise<void> => {
    if (isAsking || parentPid() === firstParent) return;
    isAsking = true;
    try {
      await ask(hostAnswerMs);
    } catch {
      stop();
      onLost();
    } finally {
      isAsking = false;
    }
  };
  const timer = setInterval(() => void look(), hostCheckMs).unref();
  const stop = (): void => clearInterval(timer);
  return stop;
}
