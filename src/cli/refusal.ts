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
  even_if_live: "--even-if-live",
};

/**
 * What the broker refused, in the words of the command line.
 *
 * @param option by which the command names the field that is to blame, where that is not its usual word.
 */
export function explainRefusal(error: RpcError, option?: string): string {
  const field = error.findDetail(ErrorInfoSchema)?.metadata["field"];
  const named = option !== undefined && field !== undefined && error.message.startsWith(field);
  return named
    ? option + inWords(error.message.slice(field.length), undefined)
    : inWords(error.message, field);
}

/** @param field that is to blame; where it is not said, a sentence that begins with one and a colon names it. */
function inWords(sentence: string, field: string | undefined): string {
  const [start = ""] = /^[a-z_]+(?=:? )/.exec(sentence) ?? [];
  const isField = start === field || sentence[start.length] === ":";
  const rest = sentence
    .slice(start.length)
    // Fields of two words are no words of a sentence, except in a name that somebody gave.
    .replaceAll(/"[^"]*"|\b[a-z]+(?:_[a-z]+)+\b/g, (found) => wordOf(found))
    .replace("list the peers to see their names", "`peerline peers` shows who is there");
  return (isField ? wordOf(start) : start) + rest;
}

function wordOf(field: string): string {
  return (Object.hasOwn(words, field) ? words[field] : undefined) ?? field;
}
