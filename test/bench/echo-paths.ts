/** The methods of the bare server that calls are compared with. */
export const echoPaths = {
  echo: "/bench.Echo/Echo",
  push: "/bench.Echo/Push",
  watch: "/bench.Echo/Watch",
};
