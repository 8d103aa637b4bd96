import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { connectLink, type Link, type LinkOptions } from "../../../src/store/nats/connect.js";
import type { NatsLogin, NatsOptions } from "../../../src/contract/nats-options.js";
import type { NatsAccessFiles } from "../../support/nats-access.js";
import { startNatsCluster, type NatsCluster } from "../../support/nats-cluster.js";
import {
  startNats,
  type NatsOptions as ServerOptions,
  type NatsServer,
} from "../../support/nats-server.js";

/** A server that ends with the test. */
export async function startServer(options: ServerOptions = {}): Promise<NatsServer> {
  const server = await startNats(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

/** A cluster that ends with the test. */
export async function startCluster(
  options: Parameters<typeof startNatsCluster>[0] = {},
): Promise<NatsCluster> {
  const cluster = await startNatsCluster(options);
  onTestFinished(() => cluster[Symbol.asyncDispose]());
  return cluster;
}

/** How a test reaches a server, or a cluster: as the daemon would, from the files that were made for it. */
export function optionsFor(
  servers: { readonly url: string } | { readonly urls: readonly string[] },
  changes: Partial<NatsOptions> & { files?: NatsAccessFiles } = {},
): NatsOptions {
  const urls = "urls" in servers ? servers.urls : [servers.url];
  const { files = {}, ...rest } = changes;
  return {
    servers: urls.map((url) => new URL(url).host),
    requireTls: files.ca !== undefined,
    tls: {
      ...(files.ca === undefined ? {} : { caFile: files.ca }),
      ...(files.clientCertificate === undefined ? {} : { certFile: files.clientCertificate }),
      ...(files.clientKey === undefined ? {} : { keyFile: files.clientKey }),
    },
    login: () => loginIn(files),
    prefix: "peerline",
    replicas: urls.length === 1 ? 1 : 3,
    syncAlways: false,
    ...rest,
  };
}

function loginIn({ seed, credentials }: NatsAccessFiles): NatsLogin | undefined {
  if (seed !== undefined) return { kind: "nkey", seed: readFileSync(seed, "utf8") };
  if (credentials === undefined) return undefined;
  const [, jwt = "", user = ""] =
    /JWT-+\n(\S+)[^]*SEED-+\n(\S+)/.exec(readFileSync(credentials, "utf8")) ?? [];
  return { kind: "credentials", jwt, seed: user };
}

/** A link that ends with the test. */
export async function openLink(
  options: NatsOptions,
  settings: Partial<LinkOptions> = {},
): Promise<Link> {
  const link = await connectLink(options, { version: "1.2.3", clock: systemClock, ...settings });
  onTestFinished(() => link[Symbol.asyncDispose]());
  return link;
}
