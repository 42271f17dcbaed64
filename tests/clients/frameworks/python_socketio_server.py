"""One application server: python-socketio with its manager over the broker. Usage: python_socketio_server.py URL

Prints the port on which it listens, and ends with its standard input. Its clients have it do what an application would
do of itself.
"""

import asyncio
import sys

import socketio
from aiohttp import web

server = socketio.AsyncServer(async_mode="aiohttp", client_manager=socketio.AsyncRedisManager(sys.argv[1]))


@server.event
async def enter(_, sid, room):
    await server.enter_room(sid, room)


@server.event
async def leave(_, sid, room):
    await server.leave_room(sid, room)


@server.event
async def close(_, room):
    await server.close_room(room)


@server.event
async def say(sid, text, room, to_oneself):
    await server.emit("said", text, room=room, skip_sid=None if to_oneself else sid)


@server.event
async def count(_, room, limit):
    for number in range(limit):
        await server.emit("said", number, room=room)


@server.event
async def ask(_, sid, number):
    return await server.call("question", number, to=sid)


@server.event
async def expel(_, sid):
    await server.disconnect(sid)


async def main():
    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
