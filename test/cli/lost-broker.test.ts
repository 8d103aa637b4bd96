import { expect, test } from "vitest";
import { retryLostBroker } from "../../src/cli/lost-broker.js";
import { EndpointError } from "../../src/endpoint/endpoint-error.js";
import { Code, RpcError } from "../../src/rpc/error.js";

const gone = new RpcError(Code.Unavailable, "gone");
const away = new EndpointError("BROKER_UNREACHABLE", "away");

test("goes on after a lost broker, also while none answers", async () => {
  const { attempt, attempts } = failing([gone, away, new RpcError(Code.Unauthenticated, "new")]);
  expect(await retryLostBroker(attempt, { maxReconnects: 3 })).toBe("done");
  expect(attempts()).toBe(4);
});

test("does not wait for a broker that it never met", async () => {
  const { attempt, attempts } = failing([away]);
  await expect(retryLostBroker(attempt, { maxReconnects: 3 })).rejects.toBe(away);
  expect(attempts()).toBe(1);
});

test("does not repeat what the broker refused", async () => {
  const refused = new RpcError(Code.NotFound, "no such peer");
  const { attempt, attempts } = failing([refused]);
  await expect(retryLostBroker(attempt, { maxReconnects: 3 })).rejects.toBe(refused);
  expect(attempts()).toBe(1);
});

test("gives up after so many losses in a row, where progress begins a new row", async () => {
  const { attempt, attempts } = failing([gone, gone, gone, gone]);
  await expect(retryLostBroker(attempt, { maxReconnects: 1 })).rejects.toBe(gone);
  expect(attempts()).toBe(2);

  const progressing = failing([gone, gone, gone]);
  let losses = 0;
  const result = retryLostBroker(
    (progress) => {
      progress();
      return progressing.attempt();
    },
    {
      maxReconnects: 1,
      onLost: async () => {
        losses++;
      },
    },
  );
  expect(await result).toBe("done");
  expect(losses).toBe(3);
});

test("an abort ends the pause", async () => {
  const interruption = new AbortController();
  const retried = retryLostBroker(() => Promise.reject(gone), {
    maxReconnects: Number.POSITIVE_INFINITY,
    onLost: async () => interruption.abort(new Error("interrupted")),
    signal: interruption.signal,
  });
  await expect(retried).rejects.toThrow("interrupted");
});

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
