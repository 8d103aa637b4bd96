import { fromJsonString } from "@bufbuild/protobuf";
import {
  SendMessageResponseSchema,
  type SendResult,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { program, run, type BrokerHome } from "../../support/program.js";

/** Sends a message as a person at a terminal does. */
export async function sendAsPerson(
  { environment }: BrokerHome,
  to: string,
  text: string,
  urgency: "fyi" | "normal" = "normal",
): Promise<SendResult[]> {
  const send = [program, "send", to, text, "--urgency", urgency, "--json"];
  const { code, stdout, stderr } = await run(process.execPath, send, environment);
  if (code !== 0) throw new Error(`peerline send ended with ${code}: ${stderr}`);
  return fromJsonString(SendMessageResponseSchema, stdout).results;
}
