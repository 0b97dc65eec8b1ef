# SPDX-License-Identifier: Apache-2.0
"""The asyncio client with the plain one's interface, so that one test can be both kinds'."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, cast

from backpropd import TrainingClient
from backpropd.aio import AsyncSession, AsyncTrainingClient, AsyncTrainStream, AsyncWatch

NewClient: TypeAlias = Callable[..., AbstractContextManager[TrainingClient]]
"""Makes a client, with options of its own."""
_LONG = 60
"""Seconds after which a call hangs; it takes milliseconds."""


@contextmanager
def client_of(kind: str, target: str, **options: Any) -> Iterator[TrainingClient]:
    """A client of the kind "plain" or "asyncio"; the latter has an event loop on a thread of its own."""
    if kind == "plain":
        with TrainingClient(target, **options) as client:
            yield client
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        with _AsPlain(loop, _blocking(loop, AsyncTrainingClient)(target, **options)) as driven:
            yield cast("TrainingClient", driven)
    finally:
        _blocking(loop, _end_tasks)()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _blocking(loop: asyncio.AbstractEventLoop, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as any thread may call it: it runs in the loop, and what it awaits is waited for."""

    async def act(*given: Any, **options: Any) -> Any:
        result = function(*given, **options)
        return await result if inspect.isawaitable(result) else result

    return lambda *given, **options: asyncio.run_coroutine_threadsafe(act(*given, **options), loop).result(_LONG)


class _AsPlain:
    """An object of the asyncio client: its methods block, and give such objects in their turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: Any) -> None:
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return (lambda *given, **options: self._call(value, *given, **options)) if callable(value) else value

    def __enter__(self) -> Any:
        return self._call(self._inner.__aenter__)

    def __exit__(self, *raised: object) -> None:
        self._call(self._inner.__aexit__, *raised)

    def __iter__(self) -> Iterator[Any]:
        return self._each(self._inner)

    def __next__(self) -> Any:
        return next(self._each(self._inner))

    def _call(self, method: Callable[..., Any], *given: Any, **options: Any) -> Any:
        result = _blocking(self._loop, method)(*given, **options)
        if inspect.isasyncgen(result):
            return self._each(result)
        known = (AsyncTrainingClient, AsyncSession, AsyncTrainStream, AsyncWatch)
        return _AsPlain(self._loop, result) if isinstance(result, known) else result

    def _each(self, source: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._call(source.__anext__)
            except StopAsyncIteration:
                return
