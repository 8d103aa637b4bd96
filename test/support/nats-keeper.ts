import { startNats } from "./nats-server.js";

// A program that starts a NATS server, says what its process is, and does nothing more.
const server = await startNats();
console.log(server.pid);
