import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";

/** Which way bytes go: what clients ask, or what they are answered. */
export type Way = "asks" | "answers";

/**
 * Passes bytes on between clients and a server, and knows nothing of what they are. What it holds back is lost to
 * whoever waits, as on a link that is cut: no connection hears of its end.
 */
export class Relay implements AsyncDisposable {
  /** How long each piece is under way, in milliseconds, in either direction. */
  delayMs = 0;
  /** That were ever made through it. */
  connections = 0;
  readonly #server: Server;
  readonly #target: NetConnectOpts;
  readonly #sockets = new Map<Socket, Way>();

  private constructor(target: NetConnectOpts) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  /** From a port of this machine to a server. */
  static async listen(port: number, target: NetConnectOpts): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.#server.listen(port, "127.0.0.1", resolve));
    return relay;
  }

  #held: readonly Way[] = [];

  /** Passes nothing on in these ways from here on. Connections are taken all the same. */
  hold(...ways: readonly Way[]): void {
    this.#held = ways;
    for (const [socket, way] of this.#sockets) {
      if (ways.includes(way)) socket.pause();
      else socket.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket): void {
    this.connections++;
    const server = connect(this.#target);
    for (const socket of [client, server]) socket.setNoDelay();
    this.#pass("asks", client, server);
    this.#pass("answers", server, client);
  }

  #pass(way: Way, from: Socket, to: Socket): void {
    this.#sockets.set(from, way);
    const underWay: Buffer[] = [];
    const arrive = (): void => {
      const bytes = underWay.shift();
      if (bytes !== undefined && to.writable) to.write(bytes);
    };
    from.on("data", (bytes: Buffer) => {
      underWay.push(bytes);
      // None overtakes another.
      if (this.delayMs === 0 && underWay.length === 1) arrive();
      else setTimeout(arrive, this.delayMs);
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    if (this.#held.includes(way)) from.pause();
  }
}
