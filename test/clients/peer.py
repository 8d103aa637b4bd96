"""A peer written from the contract alone: protoc made the modules, nothing here is Peerline's.

Usage: peer.py ENDPOINT CREDENTIALS COMMAND [ARG ...]
  register NAME      prints the name and the session token
  send TO TEXT       sends with the token; prints the message's id and state
  subscribe          prints one line per event; confirms nothing
  ack DELIVERY_ID    confirms one delivery; prints the state
"""

import sys
import uuid

import grpc

from google.rpc import error_details_pb2 as error_details
from google.rpc import status_pb2 as status
from peerline.v1 import broker_service_pb2 as broker
from peerline.v1 import broker_service_pb2_grpc as broker_grpc
from peerline.v1 import message_pb2 as message


def main() -> None:
    endpoint, credential, command, *arguments = sys.argv[1:]
    with grpc.insecure_channel(endpoint) as channel:
        stub = broker_grpc.BrokerServiceStub(channel)
        metadata = [("authorization", f"Bearer {credential}")]
        try:
            COMMANDS[command](stub, metadata, credential, *arguments)
        except grpc.RpcError as error:
            refuse(status_of(error))


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


COMMANDS = {"register": register, "send": send, "subscribe": subscribe, "ack": ack}

if __name__ == "__main__":
    main()
