import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Message, MessageSchema } from "../../gen/peerline/v1/message_pb.js";
import type { Draft } from "../broker/store.js";

/** The message that a draft becomes when it is accepted at `nowMs`. */
export function stamp(draft: Draft, nowMs: number): Message {
  return create(MessageSchema, {
    messageId: draft.messageId,
    from: draft.from,
    to: [...draft.to],
    text: draft.text,
    data: draft.data,
    threadId: draft.threadId,
    inReplyTo: draft.inReplyTo,
    urgency: draft.urgency,
    acceptTime: timestampFromMs(nowMs),
    expireTime: timestampFromMs(nowMs + draft.expiresInMs),
  });
}
