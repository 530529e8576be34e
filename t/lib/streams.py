# SPDX-License-Identifier: MIT
# An HTTP/2 client for tests, of one connection: streams.py PORT. Each line of
# input is a JSON list of requests, which are sent in one go and are open at
# the same time; a line of output is the list of their answers. A request is
# {"method", "path", "headers": [[name, value]], "body"}; with "touch" a file
# of that name is made when the first bytes of the body are there, and "first"
# in the answer holds them. Ends with its input.
import json
import socket
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (DataReceived, ResponseReceived, SettingsAcknowledged,
                       StreamEnded, StreamReset)


class Client:
    def __init__(self, port):
        self.host = "127.0.0.1:%d" % port
        self.link = socket.create_connection(("127.0.0.1", port), 10)
        self.link.settimeout(60)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.h2 = H2Connection(H2Configuration(header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        while not any(isinstance(event, SettingsAcknowledged)
                      for event in self.turn()):
            pass

    def turn(self):
        self.link.sendall(self.h2.data_to_send())
        data = self.link.recv(65536)
        if not data:
            sys.exit("streams.py: the connection was closed")
        return self.h2.receive_data(data)

    def send(self, request):
        stream = self.h2.get_next_available_stream_id()
        body = request.get("body")
        self.h2.send_headers(
            stream,
            [(":method", request.get("method", "GET")), (":scheme", "http"),
             (":authority", self.host), (":path", request["path"])]
            + [tuple(one) for one in request.get("headers", [])],
            end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body.encode("latin-1"), end_stream=True)
        return stream

    def take(self, event, answer):
        if isinstance(event, ResponseReceived):
            for name, value in event.headers:
                if name == ":status":
                    answer["status"] = int(value)
                else:
                    answer["headers"].append([name, value])
        elif isinstance(event, DataReceived):
            self.h2.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id)
            answer["body"] += event.data.decode("latin-1")
            if "touch" in answer and event.data:
                answer["first"] = answer["body"]
                open(answer.pop("touch"), "w").close()
        elif isinstance(event, StreamReset):
            answer["status"] = -1

    def round(self, requests):
        answers = [{"status": 0, "headers": [], "body": ""} for _ in requests]
        of = {}
        for request, answer in zip(requests, answers):
            if "touch" in request:
                answer["touch"] = request["touch"]
            of[self.send(request)] = answer
        left = set(of)
        while left:
            for event in self.turn():
                stream = getattr(event, "stream_id", None)
                if stream in of:
                    self.take(event, of[stream])
                    if isinstance(event, (StreamEnded, StreamReset)):
                        left.discard(stream)
        self.link.sendall(self.h2.data_to_send())
        return answers


client = Client(int(sys.argv[1]))
print(client.h2.remote_settings.max_concurrent_streams, flush=True)
for line in sys.stdin:
    print(json.dumps(client.round(json.loads(line))), flush=True)
