/** Counts the calls that a client begins on an HTTP/2 connection, from the bytes that it sends. */
export class CallCounter {
  #calls = 0;
  /** Bytes of the preface or of a frame's payload that are still to come. */
  #skip = prefaceBytes;
  #header: number[] = [];

  /** Where in these bytes the frame lies that begins the wanted call; undefined where it is not in them, or not whole. */
  add(bytes: Buffer, wanted: number): number | undefined {
    let found: number | undefined;
    for (let at = 0; at < bytes.length;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      this.#header.push(bytes[at++] ?? 0);
      if (this.#header.length < headerBytes) continue;
      const [high = 0, middle = 0, low = 0, type] = this.#header;
      this.#header = [];
      this.#skip = high * 65536 + middle * 256 + low;
      if (type === headersFrame && ++this.#calls === wanted && at >= headerBytes) {
        found = at - headerBytes;
      }
    }
    return found;
  }
}

const prefaceBytes = 24;
const headerBytes = 9;
const headersFrame = 1;
