import { setMaxListeners } from "node:events";
import { experimental, type ChannelOptions } from "@grpc/grpc-js";

/**
 * The target of a channel over TCP whose sockets `signal` destroys. By itself grpc-js keeps a socket that is still
 * connecting when its channel is closed. Where nobody answers that holds the process for minutes.
 */
export function abandonable(
  address: string,
  signal: AbortSignal,
): { target: string; options: ChannelOptions } {
  // Each address that a name has may have a socket.
  setMaxListeners(0, signal);
  return { target: `${scheme}:${address}`, options: { [signalOption]: signal } };
}

const scheme = "peerline";
const signalOption = "peerline.signal";

/** Resolves as grpc-js does. It passes an address to Node's `connect` as it is, and so with the signal. */
class AbandonableResolver implements experimental.Resolver {
  readonly #inner: experimental.Resolver;

  constructor(
    { path }: experimental.GrpcUri,
    listener: experimental.ResolverListener,
    options: ChannelOptions,
  ) {
    const signal = options[signalOption] as AbortSignal;
    const withSignal = ({ addresses }: experimental.Endpoint): experimental.Endpoint => ({
      addresses: addresses.map((address) => ({ ...address, signal })),
    });
    this.#inner = experimental.createResolver(
      { scheme: "dns", path },
      (found, ...rest) =>
        listener(found.ok ? { ok: true, value: found.value.map(withSignal) } : found, ...rest),
      options,
    );
  }

  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path;
  }

  updateResolution(): void {
    this.#inner.updateResolution();
  }

  destroy(): void {
    this.#inner.destroy();
  }
}

experimental.registerResolver(scheme, AbandonableResolver);
