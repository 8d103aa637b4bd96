import { defineGatewayContract } from "../../contract/gateway-contract.js";
import { shareMemory } from "./share-memory.js";

defineGatewayContract({ name: "memory", share: shareMemory((store) => store) });
