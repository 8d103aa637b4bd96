import type { LoadClient } from "./load-client.js";
import { OrderProcess } from "./order-process.js";

/** A process of clients. */
export class LoadProcess extends OrderProcess<LoadClient> {
  constructor(node: string) {
    super("load", node);
  }
}
