# SPDX-License-Identifier: Apache-2.0
"""Replicas that follow sessions from one life of the server to the next."""

from __future__ import annotations

import threading

import grpc
from backpropd.call_errors import error_from_call
from backpropd.replica import Replica
from backpropd.replica.anchor import AnchorReader
from backpropd.replica.deltas import batch_from_watch
from backpropd.v1 import training_service_pb2 as rpc
from server_under_test.demand import demand
from server_under_test.server import Server

from crash.oracle import Oracle, may_go_on


class Watcher:
    """A replica, each of whose digests is compared."""

    def __init__(self, server: Server, oracle: Oracle) -> None:
        self.oracle = oracle
        self.replica = Replica(oracle.spec, oracle.layout, server.anchor_of(oracle.id, oracle.layout.state_count))
        self.is_open = threading.Event()
        self.resyncs = 0
        self._epoch = oracle.epoch

    def run(self, server: Server) -> None:
        """Until the server ends. The session must not be trained before `is_open`."""
        step = self.replica.step
        request = rpc.WatchDeltasRequest(
            session_id=self.oracle.id, after_step=step, epoch=self._epoch, with_anchor=True, with_state=True
        )
        reader = AnchorReader(with_state=True, state_count=self.oracle.layout.state_count)
        for response in server.stub.WatchDeltas(request):
            if response.goodbye:
                return
            if not self.is_open.is_set():
                self._opened(response, step)
            self._epoch = response.epoch
            if response.HasField("anchor"):
                reader.add(response.anchor)
                if response.anchor_done:
                    self.replica.reset(reader.finish())
                    reader = AnchorReader(with_state=True, state_count=self.oracle.layout.state_count)
            else:
                self._apply(response)

    def _opened(self, response: rpc.WatchDeltasResponse, step: int) -> None:
        # A server that was just started holds no deltas.
        can = step == self.oracle.step and may_go_on(self.oracle.epochs, self._epoch, step)
        place = f"a watcher of {self.oracle} at epoch {self._epoch}, step {step} of {self.oracle.epochs[-1]}"
        if can:
            demand(not response.HasField("anchor"), f"{place}: told to begin anew")
        else:
            demand(response.HasField("anchor"), f"{place}: not told to begin anew")
            self.resyncs += 1
        self.is_open.set()

    def _apply(self, response: rpc.WatchDeltasResponse) -> None:
        if response.HasField("standardisation"):
            self.replica.standardise(response.standardisation)
        self.replica.apply(batch_from_watch(response, self.oracle.spec, self.oracle.layout))


def reason_of_refusal(server: Server, oracle: Oracle, epoch: int, step: int) -> str:
    """Why a watcher without anchors at that place is refused; "" if it is not."""
    request = rpc.WatchDeltasRequest(session_id=oracle.id, after_step=step, epoch=epoch)
    call = server.stub.WatchDeltas(request)
    try:
        for _ in call:
            break
    except grpc.RpcError as error:
        return error_from_call(error).reason
    call.cancel()  # type: ignore[no-untyped-call]
    return ""


def is_told_to_begin_anew(server: Server, oracle: Oracle, epoch: int, step: int) -> bool:
    """What a Train stream's opening tells a replica there."""
    replica = rpc.ReplicaPosition(epoch=epoch, step=step)
    (opening,) = server.stub.Train(iter([rpc.TrainRequest(session_id=oracle.id, replica=replica)]))
    return opening.resync
