import { afterAll, beforeAll, describe } from "vitest";
import { defineStoreContract } from "../../contract/store-contract.js";
import { startNatsCluster, type NatsCluster } from "../../support/nats-cluster.js";
import { findNatsServers, isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import { natsTechnology } from "./nats-technology.js";

const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

describe.skipIf(isNatsMissing()).each(usable)("one server, $version", ({ version }) => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats({ version });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  defineStoreContract(natsTechnology("NATS, one server", () => server));
});

describe.skipIf(isNatsMissing())("three servers", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await startNatsCluster();
  }, 60_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  defineStoreContract(natsTechnology("NATS, three servers", () => cluster));
});
