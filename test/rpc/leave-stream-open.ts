import { createClient, openChannel } from "../../src/rpc/client.js";
import { EchoService } from "./gen/echo_pb.js";

// A process of its own: `node leave-stream-open.mjs ADDRESS close|stay`. It reads a stream that stays
// open and, if told so, closes the channel under it; it has nothing else to do.
const [address = "", end] = process.argv.slice(2);
const channel = openChannel(address);
try {
  for await (const { text } of createClient(EchoService, channel).repeat({})) {
    console.log(text);
    if (end === "close") setImmediate(() => channel.close());
  }
} catch (error) {
  console.log(String(error));
}
