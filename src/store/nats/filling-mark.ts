import type { StreamConfig } from "@nats-io/jetstream";
import { StoreError } from "../../broker/store/store.js";

/** In the metadata of the stream of mail, from the beginning of a move into these streams to its end. */
export const fillingKey = "peerline.filling";

/** Since when the streams are filled, in words; undefined where they are whole. */
export function fillingOf({ metadata }: Pick<StreamConfig, "metadata">): string | undefined {
  return metadata?.[fillingKey];
}

export function halfFilled(name: string, begun: string): StoreError {
  return new StoreError(
    "CONFLICT",
    `The stream ${name} of JetStream holds what a move has brought that began ${begun} and did not end. Where it does not run any more, run \`peerline migrate\` again from the same home, with --again.`,
  );
}
