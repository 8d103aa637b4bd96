import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { echoPaths } from "../echo-paths.js";

// The floor of every call: `node echo-server.js ADDRESS`, a bare server of grpc-js which answers with
// what it was sent. What is pushed it also writes to each stream that watches.
const [address = ""] = process.argv.slice(2);
type Unary = ServerUnaryCall<Buffer, Buffer>;
type Stream = ServerWritableStream<Buffer, Buffer>;
const watchers = new Set<Stream>();

const server = new Server();
server.addService(
  {
    echo: { path: echoPaths.echo, requestStream: false, responseStream: false, ...asIs() },
    push: { path: echoPaths.push, requestStream: false, responseStream: false, ...asIs() },
    watch: { path: echoPaths.watch, requestStream: false, responseStream: true, ...asIs() },
  },
  {
    echo: ({ request }: Unary, answer: sendUnaryData<Buffer>) => answer(null, request),
    push: ({ request }: Unary, answer: sendUnaryData<Buffer>) => {
      for (const watcher of watchers) watcher.write(request);
      answer(null, request);
    },
    watch: (call: Stream) => {
      watchers.add(call);
      call.once("close", () => watchers.delete(call));
      call.write(Buffer.alloc(1));
    },
  },
);
server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  process.send?.("listening");
});
// It ends with who started it.
process.once("disconnect", () => process.exit());

function same(bytes: Buffer): Buffer {
  return bytes;
}

function asIs() {
  return {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
