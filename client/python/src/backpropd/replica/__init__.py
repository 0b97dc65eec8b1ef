# SPDX-License-Identifier: Apache-2.0
"""A session's weights followed elsewhere, bit for bit: the delta contract in NumPy.

It knows the protocol's messages and arrays, and nothing of calls: whoever
brings deltas in another way than this package's streams and watches (from a
file, over a message queue) needs this room alone; the package around it still
imports grpcio.
"""

from backpropd.replica.anchor import Anchor
from backpropd.replica.deltas import DeltaBatch
from backpropd.replica.difference import Difference
from backpropd.replica.replica import Replica

__all__ = ["Anchor", "DeltaBatch", "Difference", "Replica"]
