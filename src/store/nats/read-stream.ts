import { DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import { StoreError } from "../../broker/store/store.js";
import { systemClock } from "../../clock.js";
import type { Link } from "./connect.js";
import {
  consumerExpiresMs,
  consumerHeartbeatMs,
  copyDeadlineMs,
  maxReadAhead,
  replayTimeoutMs,
} from "./limits.js";
import { throughElection } from "./through-election.js";

/**
 * Each message that a stream has now, in its order, no faster than they are taken. UNAVAILABLE where the engine
 * does not answer for long.
 */
export async function* readStream(link: Link, stream: string): AsyncGenerator<JsMsg> {
  const patience = { clock: systemClock, endMs: systemClock.monotonic() + copyDeadlineMs };
  const { state } = await throughElection(link, patience, ({ streams }) => streams.info(stream));
  if (state.messages === 0) return;
  const consumer = await throughElection(link, patience, (manager) =>
    manager.jetstream().consumers.get(stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: 1,
    }),
  );
  const messages = await consumer.consume({
    expires: consumerExpiresMs,
    idle_heartbeat: consumerHeartbeatMs,
    max_messages: maxReadAhead,
  });
  // It is closed where nothing comes any more: the loop ends then.
  let silence = setTimeout(() => void messages.close(), replayTimeoutMs);
  try {
    for await (const message of messages) {
      clearTimeout(silence);
      if (message.seq <= state.last_seq) yield message;
      if (message.seq >= state.last_seq || message.info.pending === 0) return;
      silence = setTimeout(() => void messages.close(), replayTimeoutMs);
    }
  } finally {
    clearTimeout(silence);
    await messages.close();
    await consumer.delete().catch(() => {});
  }
  const words = `JetStream stopped handing out the stream ${stream}: a majority of its servers must run.`;
  throw new StoreError("UNAVAILABLE", words);
}
