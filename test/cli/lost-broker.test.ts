import { expect, test } from "vitest";
import { retryLostBroker } from "../../src/cli/lost-broker.js";
import { EndpointError } from "../../src/endpoint/endpoint-error.js";
import { Code, RpcError } from "../../src/rpc/error.js";

const gone = new RpcError(Code.Unavailable, "gone");
const away = new EndpointError("BROKER_UNREACHABLE", "away");

test("goes on after a lost broker, also while none answers, and tells of the first loss of a row", async () => {
  const { attempt, attempts } = failing([gone, away, new RpcError(Code.Unauthenticated, "new")]);
  let losses = 0;
  const onLost = (): void => void losses++;
  expect(await retryLostBroker(attempt, { onLost, signal: unending })).toBe("done");
  expect([attempts(), losses]).toEqual([4, 1]);

  const progressing = failing([gone, gone]);
  const result = retryLostBroker(
    (progress) => {
      progress();
      return progressing.attempt();
    },
    { onLost, signal: unending },
  );
  expect(await result).toBe("done");
  expect(losses).toBe(3);
});

test("does not wait for a broker that it never met", async () => {
  const { attempt, attempts } = failing([away]);
  const retried = retryLostBroker(attempt, { onLost: ignore, signal: unending });
  await expect(retried).rejects.toBe(away);
  expect(attempts()).toBe(1);
});

test("does not repeat what the broker refused", async () => {
  const refused = new RpcError(Code.NotFound, "no such peer");
  const { attempt, attempts } = failing([refused]);
  const retried = retryLostBroker(attempt, { onLost: ignore, signal: unending });
  await expect(retried).rejects.toBe(refused);
  expect(attempts()).toBe(1);
});

test("an abort ends the pause", async () => {
  const interruption = new AbortController();
  const retried = retryLostBroker(() => Promise.reject(gone), {
    onLost: () => interruption.abort(new Error("interrupted")),
    signal: interruption.signal,
  });
  await expect(retried).rejects.toThrow("interrupted");
});

const unending = new AbortController().signal;

function ignore(): void {}

/** Fails with each of the errors in turn, then succeeds. */
function failing(errors: readonly Error[]) {
  const left = [...errors];
  let attempts = 0;
  return {
    attempt: async (): Promise<string> => {
      attempts++;
      const error = left.shift();
      if (error !== undefined) throw error;
      return "done";
    },
    attempts: () => attempts,
  };
}
