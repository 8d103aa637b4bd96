import type { QueuedMessage, QueueReader } from "../broker/store/queues.js";
import type { Credit } from "./queue-readers.js";

/** A reader of a session of this epoch. */
interface OfSession extends QueueReader {
  readonly epoch: number;
}

/** The open readers of queues: at most one for each, that of the highest epoch. */
export class OpenReaders<Reader extends OfSession> {
  readonly #readers = new Map<string, Reader>();

  get(peerId: string): Reader | undefined {
    return this.#readers.get(peerId);
  }

  has(peerId: string): boolean {
    return this.#readers.has(peerId);
  }

  /** Opens a reader in place of the one before it. One of a lower epoch is closed from the start. */
  open(peerId: string, make: (onClose: () => void) => Reader): Reader {
    const before = this.#readers.get(peerId);
    const reader = make(() => {
      if (this.#readers.get(peerId) === reader) this.#readers.delete(peerId);
    });
    if (before !== undefined && before.epoch > reader.epoch) {
      reader.close();
      return reader;
    }
    before?.close();
    this.#readers.set(peerId, reader);
    return reader;
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
  }
}

/** How many of the first messages are within the credit. The first one is, whatever its size. */
export function countWithin(
  ready: readonly QueuedMessage[],
  { maxMessages, maxBytes }: Credit,
): number {
  let bytes = 0;
  const end = ready.findIndex(({ sizeBytes }, index) => {
    bytes += sizeBytes;
    return index >= maxMessages || (index > 0 && bytes > maxBytes);
  });
  return end === -1 ? ready.length : end;
}
