import type { ModelRequest } from "./model-request.js";

/** What the model does next: it ends its turn with words, or calls a tool. */
export type Step = { readonly say: string } | ToolCall;

export interface ToolCall {
  /** Without what the host puts before the name. */
  readonly call: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The line that gave it answers the next request too. */
  readonly again?: true;
}

/** A step, or how it follows from what the model was sent; the model thinks until it is known. */
export type ScriptLine = Step | ((request: ModelRequest) => Step | Promise<Step>);

/** What one agent's model does, request by request. */
export class Script {
  readonly #lines: ScriptLine[] = [];

  add(...lines: readonly ScriptLine[]): void {
    this.#lines.push(...lines);
  }

  /** After its last line the model ends each turn. */
  async next(request: ModelRequest): Promise<Step> {
    const line = this.#lines.shift() ?? { say: "Done." };
    const step = typeof line === "function" ? await line(request) : line;
    if ("again" in step) this.#lines.unshift(line);
    return step;
  }
}
