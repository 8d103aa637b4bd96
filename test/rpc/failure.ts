import { RpcError } from "../../src/rpc/error.js";

/** The RpcError that a call fails with. Takes hold of the rejection at once. */
export async function failure(call: Promise<unknown>): Promise<RpcError> {
  let result: unknown;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error(`did not fail: ${JSON.stringify(result)}`);
}
