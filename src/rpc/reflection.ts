import { toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.js";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "../../gen/grpc/reflection/v1/reflection_pb.js";
import {
  ServerReflection as ServerReflectionAlpha,
  type ServerReflectionRequest as ServerReflectionRequestAlpha,
} from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { DescriptorIndex, withImports } from "./descriptor-index.js";
import { Code, RpcError } from "./error.js";
import { maxHelperStreams } from "./limits.js";
import { serve, type ServiceEntry } from "./server.js";

/**
 * `grpc.reflection.v1` and, for older clients, `v1alpha`: what the services look like, for clients that
 * do not have the proto files. The two versions differ in their package only.
 */
export function reflectionServices(services: readonly DescService[]): ServiceEntry[] {
  const listed = [...services, ServerReflection, ServerReflectionAlpha];
  // No service refers to the types of error details: a client asks for them when it meets one.
  const files = [...listed.map(({ file }) => file), file_google_rpc_error_details];
  const index = new DescriptorIndex(files);
  const names = listed.map(({ typeName }) => ({ name: typeName }));

  let open = 0;
  async function* answerAll<Request extends AnyRequest>(requests: AsyncIterable<Request>) {
    if (open >= maxHelperStreams) {
      throw new RpcError(Code.ResourceExhausted, `${maxHelperStreams} reflections are open.`);
    }
    open++;
    try {
      for await (const originalRequest of requests) {
        const { host: validHost, messageRequest } = originalRequest;
        yield { validHost, originalRequest, messageResponse: answer(index, names, messageRequest) };
      }
    } finally {
      open--;
    }
  }
  return [
    serve(ServerReflection, { serverReflectionInfo: answerAll<ServerReflectionRequest> }),
    serve(ServerReflectionAlpha, { serverReflectionInfo: answerAll<ServerReflectionRequestAlpha> }),
  ];
}

type Answer =
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | {
      case: "allExtensionNumbersResponse";
      value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { case: "errorResponse"; value: { errorCode: Code; errorMessage: string } };

type AnyRequest = ServerReflectionRequest | ServerReflectionRequestAlpha;

function answer(
  index: DescriptorIndex,
  services: { name: string }[],
  question: AnyRequest["messageRequest"],
): Answer {
  switch (question.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: services } };
    case "fileByFilename":
      return answerFile(index.findByFilename(question.value), question.value);
    case "fileContainingSymbol":
      return answerFile(index.findBySymbol(question.value), question.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const extensions = index.extensionsOf(containingType);
      const extension = extensions.find(({ number }) => number === extensionNumber);
      return answerFile(extension?.file, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = question.value;
      if (index.findBySymbol(baseTypeName) === undefined) return notFound(baseTypeName);
      const extensionNumber = index.extensionsOf(baseTypeName).map(({ number }) => number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
    }
    default:
      return failure(Code.InvalidArgument, "The request asks for nothing that is known here.");
  }
}

/** Sends the imports along, as each client asks for them next. */
function answerFile(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return notFound(what);
  const fileDescriptorProto = Array.from(withImports([file]), ({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return failure(Code.NotFound, `Not found: ${what}`);
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
