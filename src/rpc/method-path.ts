import type { DescMethod } from "@bufbuild/protobuf";

/** The method's name on the wire: `/package.Service/Method`. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
