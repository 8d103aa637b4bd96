import { afterAll, beforeAll, describe } from "vitest";
import { defineStoreContract } from "../../contract/store-contract.js";
import { startNatsCluster, type NatsCluster } from "../../support/nats-cluster.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import { natsTechnology } from "./nats-technology.js";

describe.skipIf(isNatsMissing())("one server", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
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
