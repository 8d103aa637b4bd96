import { v7 as uuidv7 } from "uuid";
import type { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { sleep } from "../../src/clock.js";
import type { Client } from "../../src/rpc/client.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import type { Operation, Phase, Recorder } from "./history.js";
import { writeLetter } from "./letter.js";
import { callTimeoutMs, retryMs } from "./limits.js";

/** A message that is to be accepted, however often that has to be tried. */
export interface Outgoing {
  readonly key: string;
  readonly to: readonly string[];
  readonly messageId: string;
}

/**
 * Sends a message until the broker accepts it, always under the same id, so that it is stored once
 * whatever became of the attempts before. Resolves to when the attempt began that was accepted.
 */
export async function sendUntilAccepted(options: {
  peer: string;
  message: Outgoing;
  adapter: { live(): Promise<Client<typeof BrokerService>> };
  record: Recorder;
}): Promise<number> {
  const { peer, message, adapter, record } = options;
  const { key, to, messageId } = message;
  const note = (phase: Phase, recipients: readonly string[] = to): void =>
    record({
      act: "send",
      phase,
      peer,
      key,
      to: recipients,
      ...(phase === "invoke" && { messageId }),
    });
  for (;;) {
    const client = await adapter.live();
    const startMs = performance.now();
    note("invoke");
    try {
      const request = { to: [...to], messageId, text: writeLetter(key, to) };
      const { results } = await client.sendMessage(request, { timeoutMs: callTimeoutMs });
      const accepted = results.filter(({ error }) => error === undefined);
      note(
        "ok",
        accepted.map(({ recipient }) => recipient?.name ?? ""),
      );
      return startMs;
    } catch (error) {
      note(isRefusal(error) ? "fail" : "unknown");
      await sleep(retryMs);
    }
  }
}

/** What a peer has to go on with after its process was killed. */
export function resume(history: Iterable<Operation>): {
  counts: Map<string, number>;
  open: Map<string, Outgoing[]>;
} {
  const counts = new Map<string, number>();
  const unanswered = new Map<string, Outgoing & { peer: string }>();
  for (const operation of history) {
    if (operation.act !== "send") continue;
    const { peer, phase, key, to, messageId } = operation;
    if (phase === "ok") unanswered.delete(key);
    if (phase !== "invoke" || messageId === undefined) continue;
    if (!unanswered.has(key)) counts.set(peer, Math.max(counts.get(peer) ?? 0, numberOf(key)));
    unanswered.set(key, { key, to, messageId, peer });
  }
  const open = new Map<string, Outgoing[]>();
  for (const { peer, ...message } of unanswered.values()) {
    open.set(peer, [...(open.get(peer) ?? []), message]);
  }
  return { counts, open };
}

export function compose(peer: string, number: number, to: readonly string[]): Outgoing {
  return { key: `${peer}/${number}`, to, messageId: uuidv7() };
}

function numberOf(key: string): number {
  return Number(key.slice(key.indexOf("/") + 1));
}

/** The broker said no, or who asked is no session of it: nothing was stored by this attempt. */
function isRefusal(error: unknown): boolean {
  return error instanceof RpcError && refusals.has(error.code);
}

const refusals: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.PermissionDenied,
  Code.ResourceExhausted,
  Code.FailedPrecondition,
  Code.Unauthenticated,
]);
