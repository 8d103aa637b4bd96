import { Gateway } from "../gateway.js";
import { carryOut } from "../orders.js";

// A process over engines.
carryOut(new Gateway());
