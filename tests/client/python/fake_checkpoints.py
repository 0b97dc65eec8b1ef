# SPDX-License-Identifier: Apache-2.0
"""The fake server's checkpoints."""

from __future__ import annotations

import grpc
from backpropd.v1 import training_service_pb2 as rpc
from fake_session import FakeSession, FakeState, abort


class FakeCheckpoints(FakeState):
    """Checkpoints never expire. Each call does what it shall before it fails, if it is to fail."""

    def CreateCheckpoint(
        self, request: rpc.CreateCheckpointRequest, context: grpc.ServicerContext
    ) -> rpc.CreateCheckpointResponse:
        """One at the same step is answered as it is."""
        session = self.session(request.session_id, context)
        info = session.info
        kept = session.checkpoints.get(request.name)
        if kept is not None and kept.step != info.step:
            self._lose_checkpoint(session, context)
            abort(context, grpc.StatusCode.ALREADY_EXISTS, "CHECKPOINT_EXISTS")
        if kept is None:
            kept = rpc.Checkpoint(
                session_id=info.session_id,
                name=request.name,
                step=info.step,
                next_offset=info.next_offset,
                epoch=info.epoch,
                digest=session.digest,
                pinned=request.pinned,
            )
            if request.HasField("expire_after"):
                kept.expire_time.FromMicroseconds(request.expire_after.ToMicroseconds())
            session.checkpoints[request.name] = kept
        self._lose_checkpoint(session, context)
        self.unary(context)
        return rpc.CreateCheckpointResponse(checkpoint=kept)

    def _lose_checkpoint(self, session: FakeSession, context: grpc.ServicerContext) -> None:
        """The answer does not come, and somebody makes a step."""
        if self.faults.lose_checkpoint:
            self.faults.lose_checkpoint -= 1
            session.info.step += 1
            session.info.next_offset += session.info.spec.batch_size
            context.abort(grpc.StatusCode.UNAVAILABLE, "unreachable")

    def ListCheckpoints(
        self, request: rpc.ListCheckpointsRequest, context: grpc.ServicerContext
    ) -> rpc.ListCheckpointsResponse:
        """Page tokens are the last name."""
        self.unary(context)
        kept = self.session(request.session_id, context).checkpoints
        names = [name for name in sorted(kept) if name > request.page_token]
        page = names[: request.page_size or 100]
        token = page[-1] if len(page) < len(names) else ""
        return rpc.ListCheckpointsResponse(checkpoints=[kept[name] for name in page], next_page_token=token)

    def UpdateCheckpoint(
        self, request: rpc.UpdateCheckpointRequest, context: grpc.ServicerContext
    ) -> rpc.UpdateCheckpointResponse:
        """Spans count from time 0."""
        self.unary(context)
        kept = self._checkpoint(self.session(request.session_id, context), request.name, context)
        if "pinned" in request.update_mask.paths:
            kept.pinned = request.pinned
        if "expire_after" in request.update_mask.paths:
            kept.ClearField("expire_time")
            if request.HasField("expire_after"):
                kept.expire_time.FromMicroseconds(request.expire_after.ToMicroseconds())
        return rpc.UpdateCheckpointResponse(checkpoint=kept)

    def DeleteCheckpoint(
        self, request: rpc.DeleteCheckpointRequest, context: grpc.ServicerContext
    ) -> rpc.DeleteCheckpointResponse:
        """Pinned or not."""
        session = self.session(request.session_id, context)
        self._checkpoint(session, request.name, context)
        del session.checkpoints[request.name]
        self.unary(context)
        return rpc.DeleteCheckpointResponse()

    def RewindSession(
        self, request: rpc.RewindSessionRequest, context: grpc.ServicerContext
    ) -> rpc.RewindSessionResponse:
        """As a crash that went back so far."""
        session = self.session(request.session_id, context)
        if self.in_the_way(session):
            abort(context, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_HAS_WRITER")
        session.go_back(self._checkpoint(session, request.checkpoint, context).step)
        self.unary(context)
        return rpc.RewindSessionResponse(session=session.info)

    def _checkpoint(self, session: FakeSession, name: str, context: grpc.ServicerContext) -> rpc.Checkpoint:
        if name not in session.checkpoints:
            abort(context, grpc.StatusCode.NOT_FOUND, "CHECKPOINT_NOT_FOUND", f"no checkpoint {name}")
        return session.checkpoints[name]
