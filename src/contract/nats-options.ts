/**
 * How JetStream is reached, and how streams are kept. It is checked before a store gets it. Secrets are behind a
 * function: who logs this logs none of them.
 */
export interface NatsOptions {
  /** As `host:port`. Any of them leads to all of a cluster. */
  readonly servers: readonly string[];
  /** A server that offers no TLS is refused. Without this TLS is used where a server offers it. */
  readonly requireTls: boolean;
  /** Paths of files in PEM form. They are read at each connection, so that renewed ones count. */
  readonly tls: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** What proves who this is, asked for at each connection; undefined where the servers need no proof. */
  readonly login: () => NatsLogin | undefined;
  /** Begins the name of each stream and subject. */
  readonly prefix: string;
  /** On how many servers each stream is. */
  readonly replicas: number;
  /** The operator says that the servers sync to the disk before they answer. */
  readonly syncAlways: boolean;
}

export type NatsLogin =
  | { readonly kind: "credentials"; readonly jwt: string; readonly seed: string }
  | { readonly kind: "nkey"; readonly seed: string }
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string };
