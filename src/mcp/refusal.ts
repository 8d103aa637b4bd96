import { seeNames } from "../contract/names.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { Status } from "../../gen/google/rpc/status_pb.js";
import { CodedError } from "../coded-error.js";
import { Code, type RpcError } from "../rpc/error.js";

/** What the broker refused, in the words of the tools: their parameters, and which of them helps. */
export function explainRefusal(error: RpcError): AdapterError {
  if (error.code === Code.Internal || error.code === Code.Unknown) {
    return new AdapterError(
      "REFUSED",
      "The Peerline broker failed: broker.log in its home says why. Tell your user.",
      {
        cause: error,
      },
    );
  }
  const info = error.findDetail(ErrorInfoSchema);
  // Some refusals name the field only in their sentence.
  const field = info?.metadata["field"] ?? fieldAtStart(error.message);
  const parameter = `\`${parameterOf[field] ?? field}\``;
  let sentence = error.message;
  if (field !== "" && sentence.startsWith(field))
    sentence = parameter + sentence.slice(field.length);
  else if (field !== "") sentence = `${parameter}: ${sentence}`;
  sentence = sentence.replace(`: ${seeNames}`, "");
  const fix = fixes[info?.reason ?? ""]?.(parameter) ?? "";
  return new AdapterError("REFUSED", `${sentence}${/[.?!]$/.test(sentence) ? "" : "."}${fix}`, {
    cause: error,
  });
}

/** The same for one recipient of several. */
export function explainEntry(error: Status): string {
  const field = fieldAtStart(error.message);
  const rest = error.message.slice(field.length);
  return `${field === "" ? "" : `\`${parameterOf[field] ?? field}\``}${rest}`.replace(
    seeNames,
    "list_peers shows who is there",
  );
}

function fieldAtStart(sentence: string): string {
  return (
    /^(?:text|in_reply_to|thread_id|expires_in|message_id|to(?=:))\b/.exec(sentence)?.[0] ?? ""
  );
}

/** Fields of the contract whose parameter has another name. */
const parameterOf: Readonly<Record<string, string>> = {
  text: "message",
  peer: "from",
  "profile.summary": "summary",
};

const fixes: Readonly<Record<string, (parameter: string) => string>> = {
  PEER_RENAMED: () => " Nothing was sent.",
  PEER_NOT_FOUND: (parameter) => `${ofNoSend(parameter)} list_peers shows who is there.`,
  PEER_AMBIGUOUS: ofNoSend,
  MESSAGE_NOT_FOUND: (parameter) => ` Give ${parameter} an id from get_messages or send_message.`,
  FIELD_TOO_LARGE: (parameter) =>
    parameter === "`message`" ? " Write it to a file and send the file's path." : "",
};

function ofNoSend(parameter: string): string {
  return parameter === "`to`" ? " Nothing was sent." : "";
}

export type AdapterErrorCode =
  /** A call's parameters cannot be used. */
  | "BAD_PARAMETER"
  /** The broker refused the call. */
  | "REFUSED"
  /** The host has gone on to another conversation while the call was under way. */
  | "MOVED";

/** Why a tool cannot do what it was asked. The message is for the model: what is wrong, and the fix. */
export class AdapterError extends CodedError<AdapterErrorCode> {
  override readonly name = "AdapterError";
}
