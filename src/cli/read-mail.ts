import {
  Closing_Reason,
  type Closing,
  type Delivery,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Message } from "../../gen/peerline/v1/message_pb.js";
import { Code, RpcError } from "../rpc/error.js";
import { CliError } from "./cli-error.js";
import { Confirmations } from "./confirmations.js";
import { readQuietMs } from "./limits.js";
import type { Person } from "./person.js";

/**
 * Subscribes once, shows each message that comes, and reports it as read when `show` has resolved.
 *
 * With `wait` it ends with its signal. Without, it ends when as many messages have come as waited, or
 * none has come for a while (a message that waited may have expired), and resolves to how many still
 * wait. A lost broker is an UNAVAILABLE RpcError.
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
  const { wait, show, shown } = options;
  const stop = new AbortController();
  const end = () => stop.abort();
  const signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]);
  const confirmations = new Confirmations({ client: person.client, shown, onFailure: end });
  let quiet = wait ? undefined : setTimeout(end, readQuietMs);
  try {
    let expected = Number.POSITIVE_INFINITY;
    for await (const { event } of person.client.subscribe({}, { signal })) {
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
        if (expected === 0) return 0;
      }
      quiet = setTimeout(end, readQuietMs);
    }
    throw new RpcError(Code.Unavailable, "The broker ended the stream.");
  } catch (error) {
    if (!signal.aborted) throw error instanceof RpcError ? superseded(error) : error;
  } finally {
    clearTimeout(quiet);
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

/** A stream may be superseded before it has begun: then there is no `closing`, only the status. */
function superseded(error: RpcError): Error {
  return error.code === Code.Aborted ? supersededError() : error;
}

function closingError(closing: Closing): Error {
  return closing.reason === Closing_Reason.SUPERSEDED
    ? supersededError()
    : new RpcError(Code.Unavailable, closing.detail);
}

function supersededError(): CliError {
  return new CliError(
    "SUPERSEDED",
    "Another `peerline read` took over: messages are shown there now.",
  );
}
