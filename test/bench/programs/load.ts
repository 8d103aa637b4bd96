import { LoadClient } from "../load-client.js";
import { carryOut } from "../orders.js";

// A process of clients.
carryOut(new LoadClient());
