import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import {
  Closing_Reason,
  type Closing,
  type Delivery,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Message } from "../../gen/peerline/v1/message_pb.js";
import { Code, RpcError } from "../rpc/error.js";
import { CliError } from "./cli-error.js";
import { Confirmations } from "./confirmations.js";
import { callTimeoutMs, readQuietMs } from "./limits.js";
import type { Person } from "./person.js";

/**
 * Subscribes once, shows each message that comes, and reports it as read when `show` has resolved.
 *
 * With `wait` it ends with its signal. Without, it ends when as many messages have come as waited, or
 * none has come for a while (a message that waited may have expired), and resolves to how many still
 * wait. In both cases the person then leaves. A lost broker is an RpcError.
 */
export async function readMail(
  person: Person,
  options: {
    wait: boolean;
    show: (message: Message, delivery: Delivery) => Promise<void>;
    shown: Set<string>;
    signal?: AbortSignal;
  },
): Promise<number> {
  const { wait, show, shown, signal } = options;
  const stop = new AbortController();
  const end = () => stop.abort();
  const confirmations = new Confirmations({ client: person.client, shown, onFailure: end });
  // Leaving while the stream is open lets others see it at once; what was shown is reported before.
  const leave = () => confirmations.drain().then(() => person.leave());
  const leaveAndEnd = () => void leave().then(end, end);
  signal?.addEventListener("abort", leaveAndEnd);
  const reach = wait ? Reach.WAKES : Reach.NEXT_TURN;
  let quiet = wait ? undefined : setTimeout(end, callTimeoutMs);
  try {
    signal?.throwIfAborted();
    let expected = Number.POSITIVE_INFINITY;
    for await (const { event } of person.client.subscribe({ reach }, { signal: stop.signal })) {
      clearTimeout(quiet);
      if (event.case === "closing") throw closingError(event.value);
      if (event.case === "started") expected = Number(event.value.peer?.waitingMessages ?? 0);
      if (event.case === "delivery") {
        await take(event.value);
        expected--;
      }
      if (wait) continue;
      if (expected <= 0) {
        await confirmations.drain();
        expected = await person.countWaiting();
        if (expected === 0) {
          await person.leave();
          return 0;
        }
      }
      quiet = setTimeout(end, readQuietMs);
    }
    throw new RpcError(Code.Unavailable, "The broker ended the stream.");
  } catch (error) {
    if (!stop.signal.aborted && !signal?.aborted) throw superseded(error);
  } finally {
    clearTimeout(quiet);
    signal?.removeEventListener("abort", leaveAndEnd);
  }
  await confirmations.drain();
  return wait ? 0 : person.countWaiting();

  async function take(delivery: Delivery): Promise<void> {
    const { message } = delivery;
    if (message === undefined) return;
    if (!confirmations.isShown(message)) await show(message, delivery);
    confirmations.add(delivery, message);
  }
}

function closingError(closing: Closing): Error {
  return closing.reason === Closing_Reason.SUPERSEDED
    ? supersededError()
    : new RpcError(Code.Unavailable, closing.detail);
}

/** A stream may be superseded before it has begun: then there is no `closing`, only the status. */
function superseded(error: unknown): unknown {
  return error instanceof RpcError && error.code === Code.Aborted ? supersededError() : error;
}

function supersededError(): CliError {
  return new CliError(
    "SUPERSEDED",
    "Another `peerline read` took over: messages are shown there now.",
  );
}
