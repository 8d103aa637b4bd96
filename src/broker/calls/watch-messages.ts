import { create, toBinary } from "@bufbuild/protobuf";
import {
  WatchMessagesResponseSchema,
  type WatchMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { AbortScope } from "../../abort-scope.js";
import { BrokerError } from "../broker-error.js";
import type { Core } from "../core.js";
import { maxWatchLag, maxWatchLagBytes } from "../limits.js";
import { Signal } from "../signal.js";

/** Streams what is accepted and what moves, from now on. A reader that lags too far is ended. */
export async function* watchMessages(
  core: Pick<Core, "receipts" | "stopping">,
  callSignal: AbortSignal,
): AsyncGenerator<WatchMessagesResponse> {
  const waiting: WatchMessagesResponse[] = [];
  let waitingBytes = 0;
  let lost = false;
  using watch = new AbortScope([callSignal, core.stopping]);
  const { signal } = watch;
  const wake = new Signal(signal);
  const stopListening = core.receipts.onEvent((event) => {
    waitingBytes += sizeOf(event);
    if (waiting.length < maxWatchLag && waitingBytes < maxWatchLagBytes) waiting.push(event);
    else lost = true;
    wake.set();
  });
  try {
    yield create(WatchMessagesResponseSchema, { event: { case: "started", value: {} } });
    while (await wake.wait()) {
      for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
        waitingBytes -= sizeOf(event);
        yield event;
      }
      if (lost) throw lagged();
    }
    if (!callSignal.aborted) signal.throwIfAborted();
  } finally {
    stopListening();
  }
}

function sizeOf(event: WatchMessagesResponse): number {
  return toBinary(WatchMessagesResponseSchema, event).byteLength;
}

function lagged(): BrokerError {
  return new BrokerError(
    ErrorReason.LIMIT_REACHED,
    `the reader fell more than ${maxWatchLag} events behind: list the messages, then watch again`,
    { metadata: { limit: "watch_lag", maximum: String(maxWatchLag) } },
  );
}
