import { createHash } from "node:crypto";
import { maxUnansweredSends } from "./limits.js";

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
