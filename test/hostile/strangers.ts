import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

// A crowd that connects to a port over and over, never proves who it is, and holds on until it is ended.
// Arguments: the port, how many connections, and the addresses to come from.
const [port = "", count = "", ...addresses] = process.argv.slice(2);

/** How many connect at once. */
const atOnce = 100;

/** The beginning of a ClientHello, which says that 512 bytes follow. */
const halfHello = Buffer.from("1603010200010001fc0303", "hex");

type Manner = (socket: Socket) => void;

const manners: readonly Manner[] = [
  // Says nothing.
  () => {},
  (socket) => void socket.write(halfHello),
  (socket) => void socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
  // Finishes its handshake, and says nothing then.
  (socket) => {
    connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ["h2"] })
      .on("error", () => {})
      .resume();
  },
];

let begun = 0;
let closed = 0;

async function connectOnes(): Promise<void> {
  while (begun < Number(count)) {
    const turn = begun++;
    const localAddress = addresses[turn % addresses.length];
    await new Promise<void>((resolve) => {
      const socket = connect({
        host: "127.0.0.1",
        port: Number(port),
        ...(localAddress === undefined ? {} : { localAddress }),
      });
      socket.on("error", () => {}).resume();
      socket.once("close", () => {
        closed++;
        resolve();
      });
      socket.once("connect", () => {
        manners[turn % manners.length]?.(socket);
        resolve();
      });
    });
  }
}

await Promise.all(Array.from({ length: atOnce }, connectOnes));
console.log(`begun ${begun}`);
setInterval(() => console.log(`closed ${closed}`), 100);
