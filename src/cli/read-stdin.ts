import type { Readable } from "node:stream";
import { CliError } from "./failure.js";

/**
 * All of a stream as text, without one line break at its end. USAGE when it exceeds `maxBytes`, which
 * is known without reading the rest, or is not UTF-8.
 */
export async function readStdin(stdin: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    // Two more for the line break that is left out.
    if (sizeBytes > maxBytes + 2) throw tooLong(maxBytes);
  }
  const text = decode(Buffer.concat(chunks)).replace(/\r?\n$/, "");
  if (Buffer.byteLength(text) > maxBytes) throw tooLong(maxBytes);
  return text;
}

function tooLong(maxBytes: number): CliError {
  return new CliError(
    "USAGE",
    `The text on stdin exceeds ${maxBytes} bytes: put it in a file and send the file's path.`,
  );
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CliError("USAGE", "The text on stdin is not UTF-8: convert it, or send its path.", {
      cause,
    });
  }
}
