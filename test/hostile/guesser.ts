import { randomBytes } from "node:crypto";
import { connect, type IncomingHttpHeaders } from "node:http2";

// Guesses the credential of a machine, each time over a connection of its own, and prints what it was answered.
// Arguments: the port, and how many guesses.
const [port = "", count = ""] = process.argv.slice(2);

/** How many guess at once. */
const atOnce = 8;

const answers = new Map<string, number>();
let begun = 0;

async function guess(): Promise<string> {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  try {
    return await new Promise<string>((resolve) => {
      session.once("error", () => resolve("closed"));
      session.once("close", () => resolve("closed"));
      const call = session.request({
        ":method": "POST",
        ":path": "/peerline.v1.BrokerService/GetServerInfo",
        "content-type": "application/grpc",
        te: "trailers",
        "peerline-machine": randomBytes(32).toString("base64url"),
      });
      call.on("error", () => resolve("closed")).resume();
      const note = (head: IncomingHttpHeaders): void => {
        const status = head["grpc-status"];
        if (typeof status === "string") resolve(`status ${status}`);
      };
      call.once("response", note);
      call.once("trailers", note);
      // One empty message.
      call.end(Buffer.alloc(5));
    });
  } finally {
    session.destroy();
  }
}

async function guessOn(): Promise<void> {
  while (begun < Number(count)) {
    begun++;
    const answer = await guess();
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
}

await Promise.all(Array.from({ length: atOnce }, guessOn));
console.log(JSON.stringify(Object.fromEntries(answers)));
