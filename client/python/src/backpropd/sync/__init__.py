# SPDX-License-Identifier: Apache-2.0
"""The client that blocks; its public names are backpropd's own.

All but call, channel and threads is generated from backpropd.aio by generate_sync.py:
what a client does is written once, for asyncio, and here it waits instead. How
it waits differs in more than a keyword, because of Ctrl-C: see threads.
"""
