"""A peer written from the contract alone: protoc made the modules, nothing here is Peerline's.

Usage: peer.py ENDPOINT CREDENTIAL COMMAND [ARG ...]
ENDPOINT is unix:PATH, or the path of the joined.json of a home that has joined a broker over TLS.
CREDENTIAL is a secret of your own for `register` and `live`, else the session token; or @FILE, a file that holds it.

  register NAME      prints the name and the session token
  send TO TEXT       sends with the token; prints the message's id and state
  subscribe          prints one line per event; confirms nothing
  ack DELIVERY_ID    confirms one delivery; prints the state
  live NAME          answers what comes until SIGTERM, over any number of brokers; prints each message once
"""

import json
import random
import signal
import sys
import threading
import uuid

if len(sys.argv) < 4:
    sys.exit(__doc__)

import grpc

from google.rpc import error_details_pb2 as error_details
from google.rpc import status_pb2 as status
from peerline.v1 import broker_service_pb2 as broker
from peerline.v1 import broker_service_pb2_grpc as broker_grpc
from peerline.v1 import message_pb2 as message
from peerline.v1 import peer_pb2 as peer


def main() -> None:
    endpoint, credential, command, *arguments = sys.argv[1:]
    if command not in COMMANDS:
        sys.exit(__doc__)
    if credential.startswith("@"):
        with open(credential[1:], encoding="utf-8") as file:
            credential = file.read().strip()
    with open_channel(endpoint) as channel:
        stub = broker_grpc.BrokerServiceStub(channel)
        metadata = [("authorization", f"Bearer {credential}")]
        try:
            COMMANDS[command](stub, metadata, credential, *arguments)
        except grpc.RpcError as error:
            refuse(status_of(error))


def open_channel(endpoint):
    # A channel of its own accord would wait longer and longer for a broker that was restarted.
    patience = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
    if endpoint.startswith("unix:"):
        return grpc.insecure_channel(endpoint, patience)
    with open(endpoint, encoding="utf-8") as file:
        joined = json.load(file)
    machine = (("peerline-machine", joined["credential"]),)
    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(joined["ca"].encode()),
        grpc.metadata_call_credentials(lambda _context, answer: answer(machine, None)),
    )
    return grpc.secure_channel(joined["address"], credentials, patience)


def status_of(error):
    """The google.rpc.Status of a failed call, which the trailers hold."""
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            return status.Status.FromString(value)
    return status.Status(code=error.code().value[0], message=error.details())


def refuse(error) -> None:
    """Says why a call, or one entry of a call, failed, and by which reason a program knows it."""
    info = error_details.ErrorInfo()
    for detail in error.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
    print(f"{info.reason}: {error.message}", flush=True)
    sys.exit(1)


def register(stub, _metadata, secret, name) -> None:
    answer = stub.Register(broker.RegisterRequest(secret=secret, name=name), timeout=10)
    print(answer.peer.name, answer.session_token, flush=True)


def send(stub, metadata, _credential, to, text) -> None:
    request = broker.SendMessageRequest(to=[to], text=text, message_id=str(uuid.uuid4()))
    answer = stub.SendMessage(request, metadata=metadata, timeout=10)
    state = message.ReceiptState.Name(answer.results[0].state)
    print(answer.message_id, state, flush=True)


def subscribe(stub, metadata, _credential) -> None:
    for event in stub.Subscribe(broker.SubscribeRequest(), metadata=metadata, timeout=30):
        kind = event.WhichOneof("event")
        if kind == "delivery":
            delivery = event.delivery
            print(kind, delivery.delivery_id, delivery.message.text, flush=True)
        else:
            print(kind, flush=True)


def ack(stub, metadata, _credential, delivery_id) -> None:
    request = broker.AckMessagesRequest(
        acks=[broker.Ack(delivery_id=delivery_id, outcome=broker.OUTCOME_CONFIRMED)]
    )
    result = stub.AckMessages(request, metadata=metadata, timeout=10).results[0]
    if result.HasField("error"):
        refuse(result.error)
    print(message.ReceiptState.Name(result.state), flush=True)


def live(stub, _metadata, secret, name) -> None:
    """The life of a client. It ends with SIGTERM, or when another process takes over."""
    stopping = threading.Event()
    metadata = None

    def leave() -> None:
        # While the stream is open, so that others see at once that nobody reads.
        stub.Unregister(broker.UnregisterRequest(), metadata=metadata, timeout=10)

    def stop(*_) -> None:
        stopping.set()
        if metadata is not None:
            threading.Thread(target=leave).start()

    signal.signal(signal.SIGTERM, stop)
    # What was shown and is not known to be confirmed, by message, with the id of its answer.
    shown = {}
    delay = 0.1
    while not stopping.is_set():
        try:
            answer = stub.Register(broker.RegisterRequest(secret=secret, name=name), timeout=10)
            metadata = [("authorization", f"Bearer {answer.session_token}")]
            stream = stub.Subscribe(broker.SubscribeRequest(reach=peer.REACH_WAKES), metadata=metadata)
            for event in stream:
                kind = event.WhichOneof("event")
                if kind == "started":
                    delay = 0.1
                    print("live", flush=True)
                elif kind == "delivery":
                    handle(stub, metadata, event.delivery, shown)
                elif kind == "closing" and event.closing.reason == broker.Closing.REASON_SUPERSEDED:
                    return
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.ABORTED:
                return
            if error.code() not in LOST and not stopping.is_set():
                raise
        # Half of it or more, so that many clients do not come back at once.
        stopping.wait(delay * random.uniform(0.5, 1))
        delay = min(2 * delay, 5)


def handle(stub, metadata, delivery, shown) -> None:
    """Shows a message, answers it and confirms it. Where the broker is lost meanwhile, it comes again."""
    sender = getattr(delivery.message, "from")
    key = (sender.peer_id, delivery.message.message_id)
    if key not in shown:
        print("again:" if delivery.redelivered else "new:", delivery.message.text, flush=True)
        shown[key] = str(uuid.uuid4())
        report(stub, metadata, delivery, broker.OUTCOME_PRESENTED)
    # The notices of the broker itself cannot be answered.
    if sender.peer_id.strip("0-"):
        request = broker.SendMessageRequest(
            to=[sender.peer_id],
            text="seen",
            message_id=shown[key],
            in_reply_to=delivery.message.message_id,
        )
        stub.SendMessage(request, metadata=metadata, timeout=10)
    report(stub, metadata, delivery, broker.OUTCOME_CONFIRMED)
    del shown[key]


def report(stub, metadata, delivery, outcome) -> None:
    """An entry may be refused since the lease has ended by the answer: then nothing is left to report."""
    ack = broker.Ack(delivery_id=delivery.delivery_id, outcome=outcome)
    stub.AckMessages(broker.AckMessagesRequest(acks=[ack]), metadata=metadata, timeout=10)


LOST = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)

COMMANDS = {"register": register, "send": send, "subscribe": subscribe, "ack": ack, "live": live}

if __name__ == "__main__":
    main()
