import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AckSchema, BrokerService, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { sleep } from "../../src/clock.js";
import { type Client, createClient, openChannel } from "../../src/rpc/client.js";

// A process of its own: `node subscriber.mjs ADDRESS SECRET NAME CREDIT confirms|silent`. It reads its
// mail, again when its stream was lost, and prints the first word of each message, and "online".
const [address = "", secret = "", name = "", credit = "", manner = ""] = process.argv.slice(2);
for (;;) {
  const channel = openChannel(address);
  let token = "";
  const client = createClient(BrokerService, channel, {
    headers: (): Record<string, string> =>
      token === "" ? {} : { authorization: `Bearer ${token}` },
  });
  try {
    token = (await client.register({ secret, name })).sessionToken;
    await read(client);
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
  } finally {
    channel.close();
  }
  await sleep(200);
}

async function read(client: Client<typeof BrokerService>): Promise<void> {
  const acks: MessageInitShape<typeof AckSchema>[] = [];
  let confirming = false;
  const confirm = async (): Promise<void> => {
    if (confirming) return;
    confirming = true;
    while (acks.length > 0) await client.ackMessages({ acks: acks.splice(0) });
    confirming = false;
  };
  for await (const { event } of client.subscribe({ maxMessages: Number(credit) })) {
    if (event.case === "started") process.stdout.write("online\n");
    if (event.case !== "delivery") continue;
    const word = event.value.message?.text.split(" ", 1)[0] ?? "";
    process.stdout.write(`${event.value.redelivered ? "again" : "first"} ${word}\n`);
    acks.push({ deliveryId: event.value.deliveryId, outcome: Outcome.CONFIRMED });
    // What is confirmed when the stream has been lost comes again.
    if (manner === "confirms") void confirm().catch(() => undefined);
  }
}
