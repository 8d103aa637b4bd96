import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthCheckRequest,
} from "../../gen/grpc/health/v1/health_pb.js";
import { Pulse } from "../pulse.js";
import { Code, RpcError } from "./error.js";
import { HelperStreams, serve, type HandlerContext, type ServedService } from "./server.js";

/** `grpc.health.v1`: whether the services of a server take calls. */
export interface Health {
  readonly service: ServedService;
  /** States whether a service, by its full name, takes calls. The server as a whole does when all of them do. */
  set(service: string, serving: boolean): void;
  /** Says that nothing takes calls any more, and ends the streams that watch. Nothing changes after it. */
  end(): void;
}

export function createHealth(): Health {
  const services = new Map<string, boolean>();
  const changes = new Pulse();
  const watches = new HelperStreams("watches of health");
  let ended = false;

  const change = (service: string, serving: boolean) => {
    if (!ended) services.set(service, serving);
    changes.beat();
  };
  const find = (service: string) => {
    if (service === "") return services.size > 0 && [...services.values()].every(Boolean);
    return services.get(service);
  };

  async function* watch({ service }: HealthCheckRequest, { signal }: HandlerContext) {
    for (let sent: ServingStatus | undefined; !signal.aborted;) {
      const status = servingStatus(find(service));
      if (status !== sent) {
        sent = status;
        yield { status };
      } else if (ended) {
        return;
      } else {
        await changes.next(signal).catch(() => {});
      }
    }
  }

  return {
    service: serve(HealthService, {
      check: async ({ service }) => {
        const serving = find(service);
        if (serving === undefined) {
          throw new RpcError(Code.NotFound, `The service ${service} is unknown.`);
        }
        return { status: servingStatus(serving) };
      },
      list: async () => {
        const names = ["", ...services.keys()];
        return {
          statuses: Object.fromEntries(
            names.map((name) => [name, { status: servingStatus(find(name)) }]),
          ),
        };
      },
      watch: (request, context) => watches.run(watch(request, context)),
    }),
    set: change,
    end: () => {
      for (const service of services.keys()) services.set(service, false);
      ended = true;
      changes.beat();
    },
  };
}

function servingStatus(serving: boolean | undefined): ServingStatus {
  if (serving === undefined) return ServingStatus.SERVICE_UNKNOWN;
  return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
}
