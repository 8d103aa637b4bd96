import {
  toBinary,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
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
import { Code } from "./error.js";
import { HelperStreams, serve, type ServedService } from "./server.js";

/**
 * `grpc.reflection.v1` and, for older clients, `v1alpha`: what the services look like, for clients that
 * do not have the proto files. The two versions differ in their package only.
 */
export function reflectionServices(services: readonly DescService[]): ServedService[] {
  const listed = [...services, ServerReflection, ServerReflectionAlpha];
  // No service refers to the types of error details: a client asks for them when it meets one.
  const files = [...listed.map(({ file }) => file), file_google_rpc_error_details];
  const index = new DescriptorIndex(files);
  const names = listed.map(({ typeName }) => ({ name: typeName }));

  const reflections = new HelperStreams("reflections");
  async function* answerAll<Request extends AnyRequest>(requests: AsyncIterable<Request>) {
    for await (const originalRequest of requests) {
      const { host: validHost, messageRequest } = originalRequest;
      yield { validHost, originalRequest, messageResponse: answer(index, names, messageRequest) };
    }
  }
  return [
    serve(ServerReflection, {
      serverReflectionInfo: (requests) => reflections.run(answerAll(requests)),
    }),
    serve(ServerReflectionAlpha, {
      serverReflectionInfo: (requests) => reflections.run(answerAll(requests)),
    }),
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

/** Finds proto files, among some and all that they import, by what they declare. */
export class DescriptorIndex {
  readonly #byFilename = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();
  readonly #extensions: DescExtension[] = [];

  constructor(files: Iterable<DescFile>) {
    for (const file of withImports(files)) {
      this.#byFilename.set(file.proto.name, file);
      for (const symbol of symbolsOf(file)) this.#bySymbol.set(symbol, file);
      for (const type of nestedTypes(file)) {
        if (type.kind === "extension") this.#extensions.push(type);
      }
    }
  }

  /** @param name for example `google/rpc/status.proto`. */
  findByFilename(name: string): DescFile | undefined {
    return this.#byFilename.get(name);
  }

  /** @param symbol the full name of anything that is declared, without a leading dot. */
  findBySymbol(symbol: string): DescFile | undefined {
    return this.#bySymbol.get(symbol);
  }

  /** The known extensions of a message type. */
  extensionsOf(typeName: string): DescExtension[] {
    return this.#extensions.filter(({ extendee }) => extendee.typeName === typeName);
  }
}

/** The files and all that they import, each once and before its imports. */
export function withImports(files: Iterable<DescFile>): Set<DescFile> {
  const found = new Set(files);
  // A set hands out what is added while it is walked.
  for (const file of found) {
    for (const dependency of file.dependencies) found.add(dependency);
  }
  return found;
}

function* symbolsOf(file: DescFile): Iterable<string> {
  for (const type of nestedTypes(file)) {
    yield type.typeName;
    if (type.kind === "message" || type.kind === "service") yield* membersOf(type);
    if (type.kind === "enum") {
      // A value is declared beside its enum, not in it.
      const scope = type.typeName.slice(0, -type.name.length);
      for (const value of type.values) yield scope + value.name;
    }
  }
}

function* membersOf(type: DescMessage | DescService): Iterable<string> {
  const members = type.kind === "service" ? type.methods : [...type.fields, ...type.oneofs];
  for (const member of members) yield `${type.typeName}.${member.name}`;
}
