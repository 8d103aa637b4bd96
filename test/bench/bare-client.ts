import { Client, type ClientReadableStream, credentials, Metadata } from "@grpc/grpc-js";

/** A connection of its own, with nothing of ours around grpc-js: floor and broker are called by the same code. */
export class BareClient {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  call(path: string, request: Uint8Array, metadata = none): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<Buffer, Buffer>(
        path,
        same,
        same,
        asBuffer(request),
        metadata,
        (error, response) => {
          if (response === undefined) reject(error ?? new Error("no response"));
          else resolve(response);
        },
      );
    });
  }

  stream(path: string, request: Uint8Array, metadata = none): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(path, same, same, asBuffer(request), metadata);
  }

  close(): void {
    this.#client.close();
  }
}

export function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

const none = new Metadata();

function same(bytes: Buffer): Buffer {
  return bytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
