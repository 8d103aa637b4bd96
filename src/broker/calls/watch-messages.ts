import { create, toBinary } from "@bufbuild/protobuf";
import {
  WatchMessagesResponseSchema,
  type WatchMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { AbortScope } from "../../abort-scope.js";
import { Pulse } from "../../pulse.js";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import { maxWatchLag, maxWatchLagBytes } from "../limits.js";

/** Streams what is accepted and what moves, from now on. A reader that lags too far is ended. */
export async function* watchMessages(
  core: Pick<Core, "receipts" | "stopping">,
  callSignal: AbortSignal,
): AsyncGenerator<WatchMessagesResponse> {
  const waiting: { event: WatchMessagesResponse; bytes: number }[] = [];
  let waitingBytes = 0;
  let lost: BrokerError | undefined;
  using watch = new AbortScope([callSignal, core.stopping]);
  const { signal } = watch;
  const events = new Pulse();
  const stopListening = core.receipts.onEvent((event) => {
    if (lost !== undefined) return;
    const bytes = toBinary(WatchMessagesResponseSchema, event).byteLength;
    if (waiting.length >= maxWatchLag) {
      lost = lagged("watch_lag", maxWatchLag, "events");
    } else if (waitingBytes + bytes > maxWatchLagBytes) {
      lost = lagged("watch_lag_bytes", maxWatchLagBytes, "bytes");
    } else {
      waiting.push({ event, bytes });
      waitingBytes += bytes;
    }
    events.beat();
  });
  try {
    yield create(WatchMessagesResponseSchema, { event: { case: "started", value: {} } });
    while (!signal.aborted) {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        waitingBytes -= next.bytes;
        yield next.event;
      }
      if (lost !== undefined) throw lost;
      await events.next(signal).catch(() => {});
    }
    if (!callSignal.aborted) signal.throwIfAborted();
  } finally {
    stopListening();
  }
}

function lagged(limit: string, maximum: number, unit: string): BrokerError {
  return new BrokerError(
    ErrorReason.LIMIT_REACHED,
    `the reader fell more than ${maximum} ${unit} behind: watch again, then list the messages`,
    { metadata: { limit, maximum: String(maximum) } },
  );
}
