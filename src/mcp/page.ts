import type { Message } from "../../gen/peerline/v1/message_pb.js";
import type { HeldMessage } from "../client/inbox.js";
import { shortId } from "../contract/ids.js";
import { peerData, peerText } from "../contract/peer-text.js";
import type { ShownPiece } from "./presentations.js";
import { urgencyWord, wireTime } from "./words.js";

/** What one result shows. */
export interface Page {
  readonly messages: readonly ShownMessage[];
  readonly pieces: readonly ShownPiece[];
}

export interface PageBounds {
  /** As serialised. */
  readonly maxBytes: number;
  /** Messages. */
  readonly limit: number;
}

/**
 * As many messages as fit into `maxBytes` of JSON, oldest first, at most `limit`. A message that is too
 * large for a page of its own comes in numbered parts, one a page.
 */
export function makePage(waiting: readonly HeldMessage[], { maxBytes, limit }: PageBounds): Page {
  const messages: ShownMessage[] = [];
  const pieces: ShownPiece[] = [];
  let bytes = 0;
  for (const held of waiting.slice(0, limit)) {
    const message = showMessage(held);
    const size = jsonBytes(message) + 1;
    if (size > maxBytes) {
      if (pieces.length === 0) return showNextPart(held, maxBytes);
      break;
    }
    if (bytes + size > maxBytes) break;
    bytes += size;
    messages.push(message);
    pieces.push({ held, part: 0, isLast: true });
  }
  return { messages, pieces };
}

function showNextPart(held: HeldMessage, maxBytes: number): Page {
  const frame = showPart(held, { text: "", data_json: "", part: "99/99" });
  const room = maxBytes - jsonBytes(frame) - 1;
  const { text, data } = held.message;
  const bodies: Pick<ShownMessage, "text" | "data_json">[] = splitText(peerText(text), room).map(
    (piece) => ({ text: piece }),
  );
  if (data !== undefined) {
    const pieces = splitText(JSON.stringify(peerData(data)), room);
    bodies.push(...pieces.map((piece) => ({ data_json: piece })));
  }
  const part = Math.min(held.partsShown, bodies.length - 1);
  return {
    messages: [showPart(held, { part: `${part + 1}/${bodies.length}`, ...bodies[part] })],
    pieces: [{ held, part, isLast: part === bodies.length - 1 }],
  };
}

/** Cuts text into pieces of at most `maxBytes` of JSON each, never inside a character or an escaped one. */
function splitText(text: string, maxBytes: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  let bytes = 0;
  for (const [character] of text.matchAll(/&(?:lt|amp);|[^]/gu)) {
    const size = jsonBytes(character) - 2;
    if (bytes + size > maxBytes) {
      pieces.push(piece);
      piece = "";
      bytes = 0;
    }
    piece += character;
    bytes += size;
  }
  return [...pieces, piece];
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** A message as a model sees it; members that say nothing are undefined, and so not sent. */
export interface ShownMessage {
  readonly id: string;
  /** `name` as it was; `now` what the sender is called by now, where it was renamed. */
  readonly from: {
    readonly name: string;
    readonly now?: string | undefined;
    /** Of a sender on another machine. */
    readonly host?: string | undefined;
  };
  readonly text?: string | undefined;
  readonly data?: unknown;
  /** Of a structure that comes in parts: a piece of its JSON. */
  readonly data_json?: string | undefined;
  /** `2/3`: the second of three parts. */
  readonly part?: string | undefined;
  readonly sent_at: string | undefined;
  readonly in_reply_to: string | undefined;
  readonly thread_id: string | undefined;
  readonly urgency: string | undefined;
  readonly redelivered: true | undefined;
}

/** The whole message. */
export function showMessage(held: HeldMessage): ShownMessage {
  const { text, data } = held.message;
  return showPart(held, {
    text: peerText(text),
    data: data === undefined ? undefined : peerData(data),
  });
}

/** The message with this much of its body. */
export function showPart(
  { message, redelivered, senderName, senderHost }: HeldMessage,
  body: Pick<ShownMessage, "text" | "data" | "data_json" | "part">,
): ShownMessage {
  return {
    id: shortId(message.messageId),
    from: {
      name: message.from?.name ?? "",
      now: senderName === message.from?.name ? undefined : senderName,
      host: senderHost === "" ? undefined : senderHost,
    },
    ...body,
    sent_at: wireTime(message.acceptTime),
    in_reply_to: message.inReplyTo === "" ? undefined : shortId(message.inReplyTo),
    thread_id: threadWorthTelling(message),
    urgency: urgencyWord(message.urgency),
    redelivered: redelivered || undefined,
  };
}

/** The thread, unless it is the default one: that of the message itself, or of the message that it answers. */
function threadWorthTelling({ threadId, messageId, inReplyTo }: Message): string | undefined {
  return threadId === messageId || threadId === inReplyTo ? undefined : threadId;
}
