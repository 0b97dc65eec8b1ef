# SPDX-License-Identifier: Apache-2.0
"""The asyncio client with the plain one's interface, so that one test can be both kinds'."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

from backpropd import TrainingClient
from backpropd.aio import AsyncSession, AsyncTrainingClient, AsyncTrainStream, AsyncWatch

_LONG = 60
"""Seconds after which a call hangs; it takes milliseconds."""


def client_of(kind: str, target: str, **options: Any) -> TrainingClient:
    """A client of the kind "plain" or "asyncio"; a context manager."""
    if kind == "plain":
        return TrainingClient(target, **options)
    loop = _Loop()

    async def make() -> AsyncTrainingClient:
        return AsyncTrainingClient(target, **options)

    return cast("TrainingClient", _AsPlain(loop, loop.run(make())))


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """What it comes to; from any thread."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(_LONG)

    def close(self) -> None:
        """Ends the tasks that are left, and the thread."""
        self.run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _AsPlain:
    """An object of the asyncio client: its methods block, and give such objects in their turn."""

    def __init__(self, loop: _Loop, inner: Any) -> None:
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._blocking(value) if callable(value) else value

    def __enter__(self) -> Any:
        return self._blocking(self._inner.__aenter__)()

    def __exit__(self, *raised: object) -> None:
        self._blocking(self._inner.__aexit__)(*raised)
        if isinstance(self._inner, AsyncTrainingClient):
            self._loop.close()

    def __iter__(self) -> Iterator[Any]:
        return self._each(self._inner)

    def __next__(self) -> Any:
        return next(self._each(self._inner))

    def _blocking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def act(*given: Any, **options: Any) -> Any:
            result = method(*given, **options)
            return await result if inspect.isawaitable(result) else result

        def wait(*given: Any, **options: Any) -> Any:
            result = self._loop.run(act(*given, **options))
            if inspect.isasyncgen(result):
                return self._each(result)
            if isinstance(result, (AsyncTrainingClient, AsyncSession, AsyncTrainStream, AsyncWatch)):
                return _AsPlain(self._loop, result)
            return result

        return wait

    def _each(self, source: Any) -> Iterator[Any]:
        following = self._blocking(source.__anext__)
        while True:
            try:
                yield following()
            except StopAsyncIteration:
                return
