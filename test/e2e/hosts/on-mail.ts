import { lastResult } from "../../hosts/scripted-model/model-request.js";
import type { ScriptLine, Step } from "../../hosts/scripted-model/script.js";
import { factsOf } from "./result-facts.js";

interface ShownMessage {
  readonly id: string;
  readonly from: { readonly name: string };
  readonly in_reply_to?: string;
}

/** Waits for mail as often as it takes, since hosts end a wait, and does this with the first message. */
export function onMail(then: (message: ShownMessage) => Step): ScriptLine {
  return (request) => {
    const result = lastResult(request);
    const { messages = [] }: { messages?: readonly ShownMessage[] } =
      result === "" ? {} : factsOf(result);
    const [message] = messages;
    if (message !== undefined) return then(message);
    return { call: "get_messages", args: { wait_ms: 45_000 }, again: true };
  };
}
