import { afterAll, beforeAll, describe } from "vitest";
import {
  defineHistoryStoreContract,
  defineQueueStoreContract,
} from "../../contract/store-contract.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import { startNats, type NatsServer } from "../../support/nats-server.js";
import { natsTechnology } from "./mail-technology.js";

describe.skipIf(isNatsMissing())("over one server", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const technology = natsTechnology("NATS", () => [server.url], 1);
  defineQueueStoreContract(technology);
  defineHistoryStoreContract(technology);
});
