import { afterAll, beforeAll, describe } from "vitest";
import { defineMachineContract } from "../../../contract/store/machines.js";
import { definePeerWatchContract } from "../../../contract/store/peer-watch.js";
import { definePeerContract } from "../../../contract/store/peers.js";
import { startNatsCluster, type NatsCluster } from "../../../support/nats-cluster.js";
import { isNatsMissing } from "../../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../../support/nats-server.js";
import { recordsOver } from "./open-peers.js";

describe.skipIf(isNatsMissing())("the contract of peers over one NATS server", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const technology = recordsOver("nats, one server", () => server);
  definePeerContract(technology);
  definePeerWatchContract(technology);
  defineMachineContract(technology);
});

describe.skipIf(isNatsMissing())("the contract of peers over three NATS servers", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await startNatsCluster();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());
  const technology = recordsOver("nats, three servers", () => cluster);
  definePeerContract(technology);
  definePeerWatchContract(technology);
  defineMachineContract(technology);
});
