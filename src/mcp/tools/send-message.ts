import { createHash } from "node:crypto";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { v7 as uuidv7 } from "uuid";
import type { SendResult } from "../../../gen/peerline/v1/broker_service_pb.js";
import { shortId } from "../../contract/ids.js";
import { maxTextBytes } from "../../contract/limits.js";
import { maxUnansweredSends } from "../limits.js";
import { AdapterError, explainEntry } from "../refusal.js";
import { readSeconds, reachWord, readUrgency, stateWord } from "../words.js";
import { defineTool, sendMessageDefinition } from "./definitions.js";

export const sendMessage = defineTool(
  sendMessageDefinition,
  async (parameters, { line, unanswered, known, signal }) => {
    const request = {
      to: [parameters.to].flat(),
      text: checkText(parameters.message),
      inReplyTo: parameters.in_reply_to ?? "",
      threadId: parameters.thread_id ?? "",
      urgency: readUrgency(parameters.urgency),
      ...readExpiry(parameters.expires_in),
      messageId: unanswered.take(parameters) ?? uuidv7(),
      knownPeers: known.of([parameters.to].flat()),
    };
    // From here on: the host may give this call up and make it again before this one has ended.
    unanswered.add(parameters, request.messageId);
    const send = line.call((client, options) => client.sendMessage(request, options), signal);
    const { messageId, results } = await send;
    if (!signal.aborted) unanswered.take(parameters);
    for (const { recipient } of results) known.show(recipient?.name ?? "", recipient?.peerId ?? "");
    return { message_id: shortId(messageId), recipients: results.map(describeRecipient) };
  },
);

function checkText(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxTextBytes) {
    throw bad(
      `\`message\` has ${bytes} bytes: at most ${maxTextBytes} are sent. Write it to a file and send the file's path.`,
    );
  }
  if (/\p{Surrogate}/u.test(text)) {
    throw bad("`message` contains half of a character (a lone surrogate): write it without.");
  }
  return text;
}

function readExpiry(value: number | string | undefined) {
  if (value === undefined) return {};
  const seconds = readSeconds(value);
  if (seconds === undefined) {
    throw bad(`\`expires_in\` cannot be "${value}". Give seconds, or a time like 10m, 2h or 1d.`);
  }
  return { expiresIn: durationFromMs(seconds * 1000) };
}

function describeRecipient({ recipient, state, reach, error }: SendResult) {
  const name = recipient?.name;
  if (error !== undefined) return { name, error: explainEntry(error) };
  return { name, state: stateWord(state), reach: reachWord(reach) };
}

function bad(sentence: string): AdapterError {
  return new AdapterError("BAD_PARAMETER", sentence);
}

/**
 * Message ids of sends that were not answered, or not yet, by what the call asked for. The broker may
 * have stored such a message all the same: the same call again takes the same id, so that it is stored once.
 */
export class UnansweredSends {
  readonly #ids = new Map<string, string>();

  take(parameters: unknown): string | undefined {
    const key = digest(parameters);
    const messageId = this.#ids.get(key);
    this.#ids.delete(key);
    return messageId;
  }

  add(parameters: unknown, messageId: string): void {
    this.#ids.set(digest(parameters), messageId);
    for (const key of this.#ids.keys()) {
      if (this.#ids.size <= maxUnansweredSends) return;
      this.#ids.delete(key);
    }
  }
}

function digest(parameters: unknown): string {
  return createHash("sha256").update(JSON.stringify(parameters)).digest("base64");
}
