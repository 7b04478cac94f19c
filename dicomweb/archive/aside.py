"""Blocking work of the archive off the event loop, in threads of its own.

A store that hangs holds its threads until its requests time out; the threads that the rest of the server shares
(`asyncio.to_thread`) stay free meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
"""Requests to an object store at once; each takes milliseconds of waiting and no processor."""
_threads: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="archive")
_keepers: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="keeping")
"""For what those threads wait for themselves."""


async def aside(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `call` returns or raises, run in a thread with the caller's context."""
    work = partial(copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


def begun(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Let `call` run in a thread beside the caller's, which waits for it later. It must not wait for another such."""
    return _keepers.submit(call, *args, **kwargs)
