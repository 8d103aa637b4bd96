import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../../src/abort-scope.js";
import { Identity } from "../../src/client/identity.js";
import { Line } from "../../src/client/line.js";
import type { LineOptions } from "../../src/client/line-options.js";
import { Mail } from "../../src/client/mail.js";
import { systemClock } from "../../src/clock.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel, type Channel } from "../../src/rpc/client.js";
import { newSecret } from "../support/test-broker.js";

/** A client's line to a broker of the test, with one secret. */
export interface TestLine extends AsyncDisposable {
  readonly line: Line;
  readonly secret: string;
  /** Cuts the connection, as when the broker is killed. */
  cut(): void;
}

/** Opens a line; it is live when this resolves. */
export async function openTestLine(
  address: string | (() => string),
  name: string,
  options: Partial<LineOptions> & { secret?: string } = {},
): Promise<TestLine> {
  const { secret = newSecret(), ...rest } = options;
  let channel: Channel | undefined;
  const line = new Line({
    connect: async () => {
      const opened = openChannel(typeof address === "string" ? address : address());
      channel = opened;
      const client = createClient(BrokerService, opened);
      const close = async (): Promise<void> => opened.close();
      try {
        const info = await client.getServerInfo({}, { timeoutMs: 5_000 });
        return {
          endpoint: "the test's",
          channel: opened,
          client,
          info,
          close,
          [Symbol.asyncDispose]: close,
        };
      } catch (error) {
        opened.close();
        throw error;
      }
    },
    identity: new Identity({
      keyring: { list: async () => [], create: async () => ({ secret }), remove: async () => {} },
      introduce: async () => ({ name, kind: PeerKind.PROGRAM }),
      instanceId: "",
    }),
    mail: new Mail(systemClock),
    clock: systemClock,
    receives: false,
    isLasting: () => false,
    ...rest,
  });
  // Not with `ready`, which takes no longer than a call may.
  using attaching = new AbortScope([], 20_000);
  while (line.state !== "live") await line.nextChange(attaching.signal);
  return {
    line,
    secret,
    cut: () => channel?.close(),
    [Symbol.asyncDispose]: () => line.close(),
  };
}
