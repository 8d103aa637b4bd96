import { onTestFinished } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { startSharedBroker, type SharedBroker } from "../../broker/shared-broker.js";
import { startTestBroker, type TestBroker } from "../../support/test-broker.js";

/** How the brokers of a test come to share what they serve. */
export interface SharedTechnology {
  readonly name: string;
  /** Makes something to share, for one test. The result opens it for one more broker; what it opens ends with the test. */
  share(): Promise<(brokerId: string) => Promise<Store>>;
}

export type Options = Omit<
  NonNullable<Parameters<typeof startTestBroker>[0]>,
  "store" | "keepStore" | "brokerId"
>;

/** Two brokers over what they share, each behind a socket of its own. They end with the test. */
export async function startGateways(
  technology: SharedTechnology,
  options: Options = {},
): Promise<{ one: TestBroker; two: TestBroker; start: (id: string) => Promise<TestBroker> }> {
  const open = await technology.share();
  const start = async (brokerId: string): Promise<TestBroker> => {
    const store = await open(brokerId);
    const gateway = await startTestBroker({ ...options, store, keepStore: true, brokerId });
    onTestFinished(() => gateway[Symbol.asyncDispose]());
    return gateway;
  };
  return { one: await start("one"), two: await start("two"), start };
}

/** The same, each answering other machines as well. */
export async function startSharedGateways(
  technology: SharedTechnology,
  options: Options = {},
): Promise<{ one: SharedBroker; two: SharedBroker }> {
  const open = await technology.share();
  const start = async (brokerId: string): Promise<SharedBroker> =>
    startSharedBroker({ ...options, store: await open(brokerId), keepStore: true, brokerId });
  return { one: await start("one"), two: await start("two") };
}
