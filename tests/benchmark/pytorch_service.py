#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The peer of the stream benchmark: what a Python team would write. A gRPC
server that trains 784-128-10 (ReLU, softmax with cross-entropy, SGD, one sample
a step) with PyTorch, and answers every message with each step's error and the
factors of its weight delta.

A message is n images of 784 bytes, then n class bytes. An answer begins like a
TrainResponse with message_done set, so that a client can count it, and goes on
with float32 numbers."""

import json
import os
import sys
from concurrent import futures

# What own_kernels.h took away is meant for an OpenBLAS such as PyTorch's, which
# reads it when it is loaded.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    if value := os.environ.get(f"MACHINE_{variable}"):
        os.environ[variable] = value

import grpc
import numpy as np
import torch

INPUTS = 784
HIDDEN = 128
CLASSES = 10
RATE = 0.002
DONE = b"\x08\x01\x10\x01"  # message_number 1, message_done


class Network:
    """Weights as torch.nn.Linear has them, and one step at a time."""

    def __init__(self) -> None:
        self.first = torch.nn.Linear(INPUTS, HIDDEN)
        self.second = torch.nn.Linear(HIDDEN, CLASSES)
        parameters = [*self.first.parameters(), *self.second.parameters()]
        self.steps = torch.optim.SGD(parameters, lr=RATE)

    def step(self, x: torch.Tensor, label: torch.Tensor) -> list[np.ndarray]:
        """x: (1, 784), label: (1). Error and u, u, a of the step."""
        self.steps.zero_grad()
        z = self.first(x)
        a = torch.relu(z)
        logits = self.second(a)
        z.retain_grad()
        logits.retain_grad()
        error = torch.nn.functional.cross_entropy(logits, label)
        error.backward()
        self.steps.step()
        return [
            error.detach().numpy().reshape(1),
            -RATE * z.grad.numpy()[0],
            -RATE * logits.grad.numpy()[0],
            a.detach().numpy()[0],
        ]


def train(requests, _context):
    """Answers each message of one stream; a network for each."""
    network = Network()
    for message in requests:
        n = len(message) // (INPUTS + 1)
        pixels = np.frombuffer(message, np.uint8, n * INPUTS).reshape(n, INPUTS)
        labels = np.frombuffer(message, np.uint8, n, n * INPUTS)
        x = torch.from_numpy(pixels.astype(np.float32) * np.float32(1 / 255))
        label = torch.from_numpy(labels.astype(np.int64))
        numbers = []
        for t in range(n):
            numbers += network.step(x[t : t + 1], label[t : t + 1])
        yield DONE + np.concatenate(numbers).tobytes()


class EveryMethod(grpc.GenericRpcHandler):
    """Every method is `train`, on bytes."""

    def service(self, handler_call_details):
        return grpc.stream_stream_rpc_method_handler(train)


def main() -> None:
    """Serves until it is killed."""
    torch.set_num_threads(1)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((EveryMethod(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    line = {"message": "serving", "grpc_address": f"127.0.0.1:{port}"}
    print(json.dumps(line, separators=(",", ":")), file=sys.stderr, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
