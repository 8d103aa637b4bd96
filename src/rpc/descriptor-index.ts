import type { DescExtension, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";

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
