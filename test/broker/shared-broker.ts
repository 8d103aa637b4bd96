import { onTestFinished } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope } from "../../gen/peerline/v1/machine_pb.js";
import { describeFault } from "../../src/broker/broker-error.js";
import { machineHeader } from "../../src/contract/machines.js";
import { createClient, openChannel, type Channel, type Client } from "../../src/rpc/client.js";
import { createHealth } from "../../src/rpc/health.js";
import { reflectionServices } from "../../src/rpc/reflection.js";
import { createServer, TlsCredentials } from "../../src/rpc/server.js";
import { freePort } from "../rpc/free-port.js";
import {
  newSecret,
  operatorToken,
  startTestBroker,
  type TestBroker,
} from "../support/test-broker.js";
import { testCertificate } from "../support/test-certificate.js";

export type BrokerClient = Client<typeof BrokerService>;

/** A broker in this process that answers over TLS as well. */
export interface SharedBroker {
  readonly broker: TestBroker;
  readonly operator: BrokerClient;
  /** Over TLS, with this credential. */
  readonly channel: (credential?: string) => Channel;
  /** The same, with this credential and token. */
  readonly client: (headers?: { credential?: string; token?: string }) => BrokerClient;
  /** Lets a machine in, and gives its credential. */
  readonly enrol: (name: string, scope?: MachineScope) => Promise<string>;
}

export async function startSharedBroker(
  options: Parameters<typeof startTestBroker>[0] = {},
): Promise<SharedBroker> {
  const broker = await startTestBroker(options);
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const certificate = await testCertificate();
  const server = createServer({
    services: [
      broker.broker.service,
      createHealth().service,
      ...reflectionServices([BrokerService, Health]),
    ],
    onDefect: (error) => void broker.defects.push(error),
    describe: describeFault,
    admit: broker.broker.admit,
  });
  const address = `127.0.0.1:${await freePort()}`;
  await server.listen(address, {
    credentials: new TlsCredentials(certificate),
    strangers: 16,
    ...broker.broker.door,
  });
  onTestFinished(() => server.stop(0));
  const operator = broker.client(operatorToken);
  const channel: SharedBroker["channel"] = (credential) => {
    const headers = credential === undefined ? {} : { [machineHeader]: credential };
    const opened = openChannel(address, { ca: certificate.ca, headers });
    onTestFinished(() => opened.close());
    return opened;
  };
  const client: SharedBroker["client"] = ({ credential, token } = {}) => {
    const bearer: Record<string, string> =
      token === undefined ? {} : { authorization: `Bearer ${token}` };
    return createClient(BrokerService, channel(credential), { headers: () => bearer });
  };
  return {
    broker,
    operator,
    channel,
    client,
    enrol: async (name, scope = MachineScope.AGENT) => {
      const { token } = await operator.createEnrolment({ scope });
      const credential = newSecret();
      await client().enrol({ token, credential, name });
      return credential;
    },
  };
}
