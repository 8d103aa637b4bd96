import type { Message } from "../../gen/peerline/v1/message_pb.js";
import type { HeldMessage } from "../client/inbox.js";
import { peerData, peerText } from "../contract/peer-text.js";
import { shortId } from "../contract/ids.js";
import { urgencyWord } from "./words.js";
import { wireTime } from "./wire-time.js";

/** A message as a model sees it; members that say nothing are undefined, and so not sent. */
export interface ShownMessage {
  readonly id: string;
  /** `name` as it was; `now` what the sender is called by now, where it was renamed. */
  readonly from: { readonly name: string; readonly now?: string | undefined };
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
  { message, redelivered, senderName }: HeldMessage,
  body: Pick<ShownMessage, "text" | "data" | "data_json" | "part">,
): ShownMessage {
  return {
    id: shortId(message.messageId),
    from: {
      name: message.from?.name ?? "",
      now: senderName === message.from?.name ? undefined : senderName,
    },
    ...body,
    sent_at: wireTime(message.acceptTime),
    in_reply_to: message.inReplyTo === "" ? undefined : shortId(message.inReplyTo),
    thread_id: threadWorthTelling(message),
    urgency: urgencyWord(message.urgency),
    redelivered: redelivered || undefined,
  };
}

/** The thread, unless it is what anyone would take it for: the message's own, or the one it answers. */
function threadWorthTelling({ threadId, messageId, inReplyTo }: Message): string | undefined {
  return threadId === messageId || threadId === inReplyTo ? undefined : threadId;
}
