import { closeSync, fstatSync, renameSync, writeSync } from "node:fs";
import { pino, stdTimeFunctions, type Logger } from "pino";
import { openRegularFileForWriting } from "../endpoint/regular-file.js";
import { maxLogBytes, maxLogDepth } from "./limits.js";

/** The broker's log: JSON lines without anyone's secrets or messages. */
export interface Log extends Disposable {
  readonly logger: Logger;
}

export function openLog(path: string): Log {
  const file = new LogFile(path, maxLogBytes);
  const logger = pino(
    {
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: (error: unknown) => error },
      formatters: { level: (level) => ({ level }), log: redact },
    },
    file,
  );
  return { logger, [Symbol.dispose]: () => file[Symbol.dispose]() };
}

/**
 * A file of lines that is bounded. Before a line would make it larger than `maxBytes` it becomes
 * `path.1`, in place of the one before, and a new file is begun. Lines are written at once, so that the
 * last ones before a crash are there. A line that cannot be written is dropped: a broker does not end
 * because its log has no room.
 */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  #descriptor: number;
  #bytes: number;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#descriptor = openRegularFileForWriting(path, "append");
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#rotate();
      this.#bytes += writeSync(this.#descriptor, bytes);
    } catch {
      // No room, or no file any more: see above.
    }
  }

  /** Idempotent; what is written later is dropped. */
  [Symbol.dispose](): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #rotate(): void {
    renameSync(this.#path, `${this.#path}.1`);
    const successor = openRegularFileForWriting(this.#path, "append");
    closeSync(this.#descriptor);
    this.#descriptor = successor;
    this.#bytes = 0;
  }
}

/**
 * A copy of a log line's fields in which no credential and no word of a message is left, whatever the
 * depth. Of errors it keeps what names the defect, not the request they may carry along.
 */
export function redact(fields: Record<string, unknown>): Record<string, unknown> {
  return redactEntries(Object.entries(fields), maxLogDepth);
}

const sensitive = /token$|secret$|^keyring$|^authorization$|^text$|^data$/i;

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return "[deep]";
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return "[bytes]";
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth - 1));
  return redactEntries(Object.entries(value), depth);
}

function redactEntries(entries: [string, unknown][], depth: number): Record<string, unknown> {
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      sensitive.test(name) ? "[redacted]" : redactValue(value, depth - 1),
    ]),
  );
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  return {
    type: error.name,
    code: "code" in error ? error.code : undefined,
    message: error.message,
    stack: error.stack,
    cause: redactValue(error.cause, depth - 1),
    errors:
      error instanceof AggregateError
        ? error.errors.map((inner) => redactValue(inner, depth - 1))
        : undefined,
  };
}
