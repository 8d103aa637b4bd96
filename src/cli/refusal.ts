import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { RpcError } from "../rpc/error.js";

/** What the contract's fields are called on the command line. */
const words: Readonly<Record<string, string>> = {
  to: "TO",
  peer: "NAME",
  text: "TEXT",
  in_reply_to: "--reply-to",
  thread_id: "--thread",
  urgency: "--urgency",
  expires_in: "--expires-in",
  message_id: "the id",
  recipient: "--to",
  from: "--from",
};

/** What the broker refused, in the words of the command line. */
export function explainRefusal(error: RpcError): string {
  const field = error.findDetail(ErrorInfoSchema)?.metadata["field"] ?? "";
  const word = words[field];
  const sentence =
    word !== undefined && error.message.startsWith(field)
      ? word + error.message.slice(field.length)
      : error.message;
  return sentence.replace(
    "list the peers to see their names",
    "`peerline peers` shows who is there",
  );
}
