import type { Logger } from "pino";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import type { Door } from "../broker/broker.js";
import { BrokerError } from "../broker/broker-error.js";
import type { ListenerFacts, Listeners } from "../broker/core.js";
import type { Clock } from "../clock.js";
import { readShareSettings, type ShareSettings } from "../endpoint/broker-settings.js";
import { formatAddress, type Address } from "../endpoint/endpoint.js";
import type { Home } from "../endpoint/home.js";
import { messageOf } from "../rpc/error.js";
import { TlsCredentials, type RpcServer } from "../rpc/server.js";
import type { Certificates } from "./certificates.js";
import { givenLookMs, maxStrangers, renewLookMs, stopGraceMs } from "./limits.js";

interface Listening {
  readonly server: RpcServer;
  readonly credentials: TlsCredentials;
  readonly asksClients: boolean;
  renewal: Disposable;
  facts: ListenerFacts;
}

/** Where the broker of a home answers other machines, as the table `[share]` of its settings says. */
export class TlsListener implements Listeners {
  readonly #home: Home;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #open: () => RpcServer;
  readonly #door: Door;
  readonly #givenLookMs: number;
  #listening: Listening | undefined;
  /** One change after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: {
    home: Home;
    logger: Logger;
    clock: Clock;
    /** Makes the server that is to answer. */
    open: () => RpcServer;
    /** Says which connections may begin. */
    door: Door;
    /** How often given files are read anew, in milliseconds. Default: `givenLookMs`. */
    givenLookMs?: number;
  }) {
    this.#home = options.home;
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#open = options.open;
    this.#door = options.door;
    this.#givenLookMs = options.givenLookMs ?? givenLookMs;
  }

  current(): ListenerFacts | undefined {
    return this.#listening?.facts;
  }

  update(): Promise<ListenerFacts | undefined> {
    return this.#change(async () => {
      try {
        await this.#follow(await readShareSettings(this.#home.settingsPath));
      } catch (cause) {
        if (cause instanceof BrokerError) throw cause;
        throw new BrokerError(ErrorReason.LISTEN_FAILED, messageOf(cause), { cause });
      }
      return this.current();
    });
  }

  stop(): Promise<void> {
    return this.#change(() => this.#stop());
  }

  async #follow(settings: ShareSettings | undefined): Promise<void> {
    if (settings === undefined) return this.#stop();
    const certificates = await this.#certificates(settings);
    const address = formatAddress(settings.listen);
    const asksClients = certificates.clientCa !== undefined;
    const present = this.#listening;
    if (present?.facts.address === address && present.asksClients === asksClients) {
      present.credentials.renew(certificates);
      present.facts = factsOf(settings, certificates);
      present.renewal[Symbol.dispose]();
      present.renewal = this.#renewLater(settings);
      return;
    }
    await this.#stop();
    const server = this.#open();
    const credentials = new TlsCredentials(certificates);
    try {
      await server.listen(address, { credentials, strangers: maxStrangers, ...this.#door });
    } catch (cause) {
      throw notListening(settings.listen, cause);
    }
    const facts = factsOf(settings, certificates);
    const renewal = this.#renewLater(settings);
    this.#listening = { server, credentials, asksClients, renewal, facts };
    this.#logger.info({ address, advertised: facts.advertisedAddress }, "listening over TLS");
  }

  async #certificates({ address, given, clientCa }: ShareSettings): Promise<Certificates> {
    const nowMs = this.#clock.now();
    if (given === undefined && clientCa === undefined) return this.#ownCertificates(address, nowMs);
    // Loaded where it is needed: most brokers are not shared, and those that are have their own.
    const { readGivenAuthorities, readGivenServerCertificate } =
      await import("../endpoint/given-certificate.js");
    const certificates =
      given === undefined
        ? await this.#ownCertificates(address, nowMs)
        : await readGivenServerCertificate(given, address.host, nowMs);
    return clientCa === undefined
      ? certificates
      : { ...certificates, clientCa: await readGivenAuthorities(clientCa, nowMs) };
  }

  async #ownCertificates({ host }: Address, nowMs: number): Promise<Certificates> {
    const { openCertificates, ownNames } = await import("./certificates.js");
    return openCertificates(this.#home.tlsPath, ownNames(host), nowMs);
  }

  /**
   * The broker's own certificate is made anew well before it ends, and a given one is read anew. Whatever else
   * the settings say by then counts, too. Files that cannot be used change nothing.
   */
  #renewLater({ given, clientCa }: ShareSettings): Disposable {
    const isOwn = given === undefined && clientCa === undefined;
    const lookMs = isOwn ? renewLookMs : this.#givenLookMs;
    let wait: Disposable;
    const look = (): void => {
      wait = this.#clock.after(lookMs, look);
      void this.update().catch((error: unknown) => {
        this.#logger.error({ err: error }, "could not look after the certificate");
      });
    };
    wait = this.#clock.after(lookMs, look);
    return { [Symbol.dispose]: () => wait[Symbol.dispose]() };
  }

  async #stop(): Promise<void> {
    const listening = this.#listening;
    this.#listening = undefined;
    listening?.renewal[Symbol.dispose]();
    await listening?.server.stop(stopGraceMs);
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(work);
    this.#changing = changed.catch(() => {});
    return changed;
  }
}

function notListening({ host, port }: Address, cause: unknown): BrokerError {
  // grpc-js gives what the system said as text alone.
  const errno = /\blisten (E[A-Z]+)/.exec(messageOf(cause))?.[1] ?? "";
  const why = {
    EADDRINUSE: `another program has port ${port}`,
    EADDRNOTAVAIL: `${host} is no address of this machine`,
    EACCES: `this user may not use port ${port}`,
  }[errno];
  if (why === undefined) {
    return new BrokerError(ErrorReason.LISTEN_FAILED, messageOf(cause), { cause });
  }
  const other = formatAddress(
    errno === "EADDRNOTAVAIL" ? { host: "0.0.0.0", port } : { host, port: port + 1 },
  );
  const fix =
    errno === "EADDRNOTAVAIL"
      ? `\`peerline share --listen ${other}\` listens on all that it has`
      : `choose another one, such as \`peerline share --listen ${other}\``;
  const words = `Cannot listen on ${formatAddress({ host, port })}: ${why} (${errno}); ${fix}.`;
  return new BrokerError(ErrorReason.LISTEN_FAILED, words, { cause });
}

function factsOf(settings: ShareSettings, certificates: Certificates): ListenerFacts {
  return {
    address: formatAddress(settings.listen),
    advertisedAddress: formatAddress(settings.address),
    caHash: certificates.caHash,
    certificateEndMs: certificates.endMs,
  };
}
