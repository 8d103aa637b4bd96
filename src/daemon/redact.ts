import { maxLogDepth } from "./limits.js";

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
