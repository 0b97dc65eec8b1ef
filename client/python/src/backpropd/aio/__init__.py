# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: the same names and meanings as in backpropd, with await.

async with AsyncTrainingClient("localhost:50051") as client:
    session = await client.create(network(2, [(8, "tanh"), (1, "sigmoid")], sgd(0.5)))
    replica = await session.replica()
    await session.train(x, y, replicas=[replica])
"""

from backpropd.aio.client import AsyncTrainingClient
from backpropd.aio.session import AsyncSession
from backpropd.aio.train_stream import AsyncTrainStream
from backpropd.aio.watch import AsyncWatch

__all__ = ["AsyncSession", "AsyncTrainStream", "AsyncTrainingClient", "AsyncWatch"]
