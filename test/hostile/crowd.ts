import { randomBytes } from "node:crypto";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { reasonIn } from "../support/test-broker.js";
import { Witness } from "./witness.js";

/** Messages that one sender may send at once, before it is slowed down (`send_burst`). */
const sendsEach = 500;

/** What became of the messages of a crowd. */
export interface CrowdOutcome {
  /** The first words of those accepted, in no order. */
  readonly accepted: Set<string>;
  /** How many were refused because the queue was full. */
  readonly full: number;
}

/** Many peers send one peer so many messages of so many bytes, as fast as they are taken. */
export async function sendFromCrowd(
  socket: string,
  to: string,
  options: { messages: number; bytes: number },
): Promise<CrowdOutcome> {
  const senders = Math.ceil(options.messages / sendsEach);
  const accepted = new Set<string>();
  let full = 0;
  let next = 0;
  const sendAll = async (index: number): Promise<void> => {
    using sender = await Witness.join(socket, `crowd-${index}`);
    for (let count = 0; count < sendsEach && next < options.messages; count++) {
      const word = `m${next++}`;
      const text = `${word} ${randomBytes(options.bytes / 2).toString("hex")}`;
      try {
        await sender.client.sendMessage({ to: [to], text });
        accepted.add(word);
      } catch (error) {
        if (reasonIn(error) !== ErrorReason[ErrorReason.QUEUE_FULL]) throw error;
        full++;
      }
    }
  };
  await Promise.all(Array.from({ length: senders }, (_, index) => sendAll(index)));
  return { accepted, full };
}
