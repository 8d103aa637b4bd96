import { setImmediate } from "node:timers/promises";
import { AbortScope } from "../../abort-scope.js";
import type { HeldMessage } from "../../client/inbox.js";
import { sleep, systemClock } from "../../clock.js";
import { isIdEnd } from "../../contract/ids.js";
import { readPlace } from "../../contract/names.js";
import { otherOwnersNote } from "../known-peers.js";
import { fillPageMs, progressIntervalMs, resultEnvelopeBytes } from "../limits.js";
import { makePage, type PageBounds } from "../page.js";
import type { ShownPiece } from "../presentations.js";
import type { Facts } from "../tool-server.js";
import { defineTool, getMessagesDefinition, type ToolCall } from "./definitions.js";

export const getMessages = defineTool(getMessagesDefinition, async (parameters, call) => {
  const waitMs = Math.min(parameters.wait_ms ?? 0, call.host.maxWaitMs);
  const startMs = systemClock.monotonic();
  await call.line.ready(call.signal);
  const from = parameters.from === undefined ? undefined : await idAtHost(call, parameters.from);
  const matches = senderFilter(from);
  if (from !== undefined) await requireSender(call, from, matches);
  if (parameters.peek === true) return peek(call, matches);
  // The host counts from the call's beginning.
  const restMs = Math.max(0, Math.ceil(startMs + waitMs - systemClock.monotonic()));
  await waitForMail(call, matches, from, restMs);
  const bounds = {
    maxBytes: call.host.maxResultBytes - resultEnvelopeBytes,
    limit: parameters.limit ?? Number.POSITIVE_INFINITY,
  };
  if (from === undefined) await fillPage(call, bounds);
  const waiting = call.mail.inbox.list().filter(matches);
  const { messages, pieces } = makePage(waiting, bounds);
  call.signal.throwIfAborted();
  call.show(pieces);
  const shown = pieces.filter((piece) => piece.isLast).length;
  return {
    messages,
    more: waiting.length > shown || undefined,
    note:
      waiting.length === 0 ? hiddenBehind(call, from) : otherOwnersNote(noteSenders(call, pieces)),
  };
});

/**
 * Waits, briefly, until what is here fills a page or nothing more is about to come: each short page would cost the
 * agent a turn. What the page before showed makes room only when it has been written.
 */
async function fillPage({ mail, line, signal }: ToolCall, bounds: PageBounds): Promise<void> {
  const { inbox } = mail;
  using filling = new AbortScope([signal, line.ended], fillPageMs);
  while (inbox.isFollowed && !isFull(inbox.list(), bounds)) {
    const hasMore = await inbox.nextChange(filling.signal).then(
      () => true,
      () => false,
    );
    if (!hasMore) return;
    // Several come together: the page is looked at once for all of them.
    await setImmediate();
  }
}

function isFull(waiting: readonly HeldMessage[], bounds: PageBounds): boolean {
  return waiting.length >= bounds.limit || makePage(waiting, bounds).pieces.length < waiting.length;
}

/** Remembers whom the agent is shown; the names by which it knew others. */
function noteSenders({ known }: ToolCall, pieces: readonly ShownPiece[]): string[] {
  const others = new Set<string>();
  for (const { held } of pieces) {
    const { peerId = "", name = "" } = held.message.from ?? {};
    if (known.show(held.senderName, peerId)) others.add(held.senderName);
    if (name !== held.senderName) known.showFormer(name, peerId);
  }
  return [...others];
}

/** Mail that is not here yet cannot be searched: what is here has to be read first. */
function hiddenBehind(call: ToolCall, from: string | undefined): string | undefined {
  const here = call.mail.inbox.list().length;
  if (from === undefined || here === 0 || call.mail.unread.count <= here) return undefined;
  return `${here} older messages come first: call get_messages without from`;
}

/** The id of the peer that `name@host` fits: the broker knows. What is of another form stays. */
async function idAtHost(call: ToolCall, from: string): Promise<string> {
  if (readPlace(from) === undefined) return from;
  const { peer } = await call.line.call(
    (client, options) => client.getPeer({ peer: from }, options),
    call.signal,
  );
  return peer?.peerId ?? from;
}

type Filter = (held: HeldMessage) => boolean;

/** A sender is meant by its name, now or in the message, its id, or the end of that. */
function senderFilter(wanted: string | undefined): Filter {
  if (wanted === undefined) return () => true;
  const text = wanted.trim().toLowerCase();
  return ({ message: { from }, senderName }) =>
    senderName === text ||
    from?.name === text ||
    (isIdEnd(text) && from?.peerId.endsWith(text) === true);
}

/** Throws if nobody has the name, and no mail is from a peer that had it. An empty answer would look like silence. */
async function requireSender(call: ToolCall, from: string, matches: Filter): Promise<void> {
  const { inbox, unread } = call.mail;
  const isKnown = inbox.list().some(matches) || unread.senders.includes(from.trim().toLowerCase());
  // The broker's own notices are of nobody who could be asked for.
  if (isKnown || from.startsWith("@")) return;
  // It resolves the name as it does a recipient's.
  const request = { peer: from, pageSize: 1 };
  await call.line.call((client, options) => client.listMessages(request, options), call.signal);
}

/** Resolves when matching mail is here, or the time is over. Rejects when the call or the line ends. */
async function waitForMail(
  call: ToolCall,
  matches: Filter,
  from: string | undefined,
  waitMs: number,
): Promise<void> {
  if (waitMs === 0) return;
  using wait = new AbortScope([call.signal, call.line.ended], waitMs);
  void reportProgress(call, waitMs, wait.signal);
  try {
    while (!call.mail.inbox.list().some(matches)) {
      if (hiddenBehind(call, from) !== undefined) return;
      const change = () => call.mail.inbox.nextChange(wait.signal);
      // Mail of others does not end the wait for one sender's.
      await (from === undefined ? call.whileWaiting(change) : change());
    }
  } catch (error) {
    call.signal.throwIfAborted();
    call.line.ended.throwIfAborted();
    if (!wait.isTimeUp) throw error;
    // An empty answer is only true while the broker could have brought mail.
    await call.line.ready(call.signal);
  }
}

async function reportProgress(call: ToolCall, waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    for (let elapsedMs = progressIntervalMs; ; elapsedMs += progressIntervalMs) {
      await sleep(progressIntervalMs, signal);
      await call.reportProgress(elapsedMs, waitMs);
    }
  } catch {
    // The wait is over, or nobody listens any more.
  }
}

function peek(call: ToolCall, matches: Filter): Facts {
  call.show([]);
  const counts = new Map<string, number>();
  for (const { senderName } of call.mail.inbox.list().filter(matches)) {
    counts.set(senderName, (counts.get(senderName) ?? 0) + 1);
  }
  return { senders: [...counts].map(([name, count]) => ({ name, count })) };
}
