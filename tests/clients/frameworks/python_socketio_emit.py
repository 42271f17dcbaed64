"""A process that has no clients and only emits: once as asyncio does it, once as threads do.
Usage: python_socketio_emit.py URL ROOM
"""

import asyncio
import sys

import socketio

url, room = sys.argv[1:]


async def emit():
    await socketio.AsyncRedisManager(url, write_only=True).emit("said", "from outside", room=room)


asyncio.run(emit())
socketio.RedisManager(url, write_only=True).emit("said", {"bytes": bytes(range(256))}, room=room)
