# SPDX-License-Identifier: Apache-2.0
"""A recorded stream of deltas: one file of proto/testdata, whose README describes the container."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backpropd import Anchor, Replica
from backpropd.replica.anchor import AnchorReader
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.watch_state import WatchState

if TYPE_CHECKING:
    from google.protobuf.message import Message

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "proto/testdata"
SUFFIX = ".stream"
_LENGTH_BYTES = 4


@dataclass
class RecordedStream:
    """A session, an anchor of it, what a watcher was told from there on, and the anchor that it then came to."""

    session: rpc.Session
    """As it was at the anchor; without its id and time, which are another's each time."""
    anchor: rpc.GetWeightsResponse
    """All weights and state, in one chunk."""
    responses: list[rpc.WatchDeltasResponse]
    """With a digest for every step."""
    end: rpc.GetWeightsResponse
    """As `anchor`, after the last step."""

    @classmethod
    def read(cls, path: pathlib.Path) -> RecordedStream:
        """The stream in a file.

        Raises:
            ValueError: the file is cut short.

        """
        session, anchor, *responses, end = _split(path.read_bytes())
        return cls(
            session=rpc.Session.FromString(session),
            anchor=rpc.GetWeightsResponse.FromString(anchor),
            responses=[rpc.WatchDeltasResponse.FromString(each) for each in responses],
            end=rpc.GetWeightsResponse.FromString(end),
        )

    def write(self, path: pathlib.Path) -> None:
        """Makes the file."""
        messages: list[Message] = [self.session, self.anchor, *self.responses, self.end]
        written = [message.SerializeToString(deterministic=True) for message in messages]
        path.write_bytes(b"".join(len(each).to_bytes(_LENGTH_BYTES, "little") + each for each in written))

    def replica(self) -> Replica:
        """A replica at the anchor."""
        return Replica(self.session.spec, self.session.layout, self.anchor_of(self.anchor))

    def anchor_of(self, chunk: rpc.GetWeightsResponse) -> Anchor:
        """An anchor whose digest was checked."""
        reader = AnchorReader(with_state=True, state_count=self.session.layout.state_count)
        reader.add(chunk)
        return reader.finish()

    def replay(self) -> Replica:
        """A replica that was fed all responses, each digest having been compared."""
        replica = self.replica()
        watch = WatchState(self.session.spec, self.session.layout, [replica], replica.step)
        for response in self.responses:
            watch.take(response)
        return replica


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "little")
        if at > len(data):
            raise ValueError("The file is cut short.")
        yield data[begin:at]
