import { AbortScope } from "../abort-scope.js";
import type { Connection } from "../client/attachment.js";
import { sleep } from "../clock.js";
import { EndpointError } from "./endpoint-error.js";
import { headStartMs } from "./limits.js";

/**
 * The first broker that answers, of those at several places. Each place is asked once the one before it has failed,
 * or has not answered for a moment. A machine that is off answers nobody, and the next one need not wait for that.
 * Whoever answers later is left again.
 */
export async function askInTurn<Place>(
  places: readonly Place[],
  ask: (place: Place, signal: AbortSignal) => Promise<Connection>,
  signal: AbortSignal,
): Promise<Connection> {
  using asking = new AbortScope([signal]);
  const attempts: Promise<Connection>[] = [];
  let found: Connection | undefined;
  try {
    for (const place of places) {
      attempts.push(ask(place, asking.signal));
      const answer = Promise.any(attempts);
      const isLast = attempts.length === places.length;
      const wait = isLast ? [] : [sleep(headStartMs, asking.signal).then(() => undefined)];
      // That all have failed so far is no reason to wait.
      found = await Promise.race([answer, ...wait]).catch(() => undefined);
      if (found !== undefined) return found;
      signal.throwIfAborted();
    }
    throw explain(await Promise.all(attempts.map(async (attempt) => failureOf(attempt))));
  } finally {
    for (const attempt of attempts) void leave(attempt, found);
  }
}

async function failureOf(attempt: Promise<Connection>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** What is worth another try counts more than what is not; a defect counts most. */
function explain(failures: readonly unknown[]): unknown {
  const known = failures.filter((error) => error instanceof EndpointError);
  if (known.length < failures.length)
    return failures.find((error) => !known.includes(error as EndpointError));
  const [first] = known;
  if (first === undefined || known.length === 1) return first;
  const { code } = known.find((error) => error.code === "BROKER_UNREACHABLE") ?? first;
  const sentences = known.map(({ message }) => message.replace(/\.$/, ""));
  const message = `None of ${known.length} brokers can be used: ${sentences.join("; ")}.`;
  return new EndpointError(code, message, { cause: first });
}

async function leave(attempt: Promise<Connection>, found: Connection | undefined): Promise<void> {
  const connection = await attempt.catch(() => undefined);
  if (connection !== found) await connection?.close();
}
