import type { Logger } from "pino";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { BrokerError } from "../broker/broker-error.js";
import type { ListenerFacts, Listeners } from "../broker/core.js";
import { systemClock } from "../clock.js";
import { readShareSettings, type ShareSettings } from "../endpoint/broker-settings.js";
import { formatAddress } from "../endpoint/endpoint.js";
import type { Home } from "../endpoint/home.js";
import { messageOf } from "../rpc/error.js";
import { TlsCredentials, type RpcServer } from "../rpc/server.js";
import type { Certificates } from "./certificates.js";
import { maxHandshakes, renewLookMs, stopGraceMs } from "./limits.js";

interface Listening {
  readonly server: RpcServer;
  readonly credentials: TlsCredentials;
  readonly renewal: Disposable;
  facts: ListenerFacts;
}

/** Where the broker of a home answers other machines, as the table `[share]` of its settings says. */
export class TlsListener implements Listeners {
  readonly #home: Home;
  readonly #logger: Logger;
  readonly #open: () => RpcServer;
  readonly #accepts: (address: string) => boolean;
  #listening: Listening | undefined;
  /** One change after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: {
    home: Home;
    logger: Logger;
    /** Makes the server that is to answer. */
    open: () => RpcServer;
    /** Whether a connection from this IP address may begin. */
    accepts: (address: string) => boolean;
  }) {
    this.#home = options.home;
    this.#logger = options.logger;
    this.#open = options.open;
    this.#accepts = options.accepts;
  }

  current(): ListenerFacts | undefined {
    return this.#listening?.facts;
  }

  update(): Promise<ListenerFacts | undefined> {
    return this.#change(async () => {
      try {
        await this.#follow(await readShareSettings(this.#home.settingsPath));
      } catch (cause) {
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
    if (this.#listening?.facts.address === address) {
      this.#listening.credentials.renew(certificates);
      this.#listening.facts = factsOf(settings, certificates);
      return;
    }
    await this.#stop();
    const server = this.#open();
    const credentials = new TlsCredentials(certificates);
    const accepts = this.#accepts;
    await server.listen(address, { credentials, handshakes: maxHandshakes, accepts });
    const facts = factsOf(settings, certificates);
    this.#listening = { server, credentials, renewal: this.#renewLater(), facts };
    this.#logger.info({ address, advertised: facts.advertisedAddress }, "listening over TLS");
  }

  async #certificates({ address }: ShareSettings): Promise<Certificates> {
    // Loaded where a broker is shared: most are not.
    const { openCertificates, ownNames } = await import("./certificates.js");
    return openCertificates(this.#home.tlsPath, ownNames(address.host), systemClock.now());
  }

  /** The certificate is made anew well before it ends. Whatever else the settings say by then counts, too. */
  #renewLater(): Disposable {
    let wait: Disposable;
    const look = (): void => {
      wait = systemClock.after(renewLookMs, look);
      void this.update().catch((error: unknown) => {
        this.#logger.error({ err: error }, "could not look after the certificate");
      });
    };
    wait = systemClock.after(renewLookMs, look);
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

function factsOf(settings: ShareSettings, certificates: Certificates): ListenerFacts {
  return {
    address: formatAddress(settings.listen),
    advertisedAddress: formatAddress(settings.address),
    caHash: certificates.caHash,
    certificateEndMs: certificates.endMs,
  };
}
