import { afterAll, beforeAll, describe } from "vitest";
import { defineMachineContract } from "../../../contract/store/machines.js";
import { definePeerWatchContract } from "../../../contract/store/peer-watch.js";
import { definePeerContract } from "../../../contract/store/peers.js";
import { startNatsCluster, type NatsCluster } from "../../../support/nats-cluster.js";
import { findNatsServers, isNatsMissing } from "../../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../../support/nats-server.js";
import { recordsOver } from "./open-peers.js";

const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

describe.skipIf(isNatsMissing())("the contract of peers over one NATS server", () => {
  describe.each(usable)("of version $version", ({ version }) => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await startNats({ version });
    });
    afterAll(() => server[Symbol.asyncDispose]());
    const technology = recordsOver("nats, one server", () => server);
    definePeerContract(technology);
    definePeerWatchContract(technology);
    defineMachineContract(technology);
  });
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
