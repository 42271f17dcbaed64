"""Two python-socketio servers, each a process, clients of both, and a process that only emits.
Usage: python_socketio.py PORT (default|2|3)
"""

import asyncio
import pathlib
import sys

import redis.asyncio
import socketio

from support import DEADLINE, PORT, URL, eventually, run, within

HERE = pathlib.Path(__file__).parent


class Browser:
    """A user's browser, and what it was told."""

    def __init__(self, name):
        self.name = name
        self.told = asyncio.Queue()
        self.left = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("said", self.told.put)
        self.client.on("question", lambda number: f"{name} says {number}")
        self.client.on("disconnect", lambda *_: self.left.set())

    async def connect(self, server, *rooms):
        await within(f"{self.name} connects", self.client.connect(server.url, transports=["websocket"]))
        for room in rooms:
            await self.does("enter", self.sid, room)
        return self

    @property
    def sid(self):
        return self.client.get_sid()

    async def does(self, event, *values):
        """Has its server do something, and waits until it has."""
        return await self.client.call(event, values, timeout=DEADLINE)

    async def expect(self, text):
        told = await within(f"{self.name} is told {text}", self.told.get())
        assert told == text, f"{self.name} is told {told!r} and not {text!r}"


class ApplicationServer:
    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            HERE / "python_socketio_server.py",
            URL,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        port = await within("a server starts", self.process.stdout.readline())
        self.url = f"http://localhost:{int(port)}"
        return self


class Checks:
    async def servers_hear_each_other(self):
        self.broker = redis.asyncio.Redis(port=PORT, decode_responses=True)
        self.servers = [await ApplicationServer().start(), await ApplicationServer().start()]
        first, second = self.servers
        self.ann = await Browser("ann").connect(first, "red")
        self.bob = await Browser("bob").connect(first, "blue")
        self.cat = await Browser("cat").connect(second, "red")
        self.dan = await Browser("dan").connect(second, "red", "blue")
        self.browsers = [self.ann, self.bob, self.cat, self.dan]
        # They do from their first client on.
        await eventually("both servers listen", self.both_servers_listen)

    async def both_servers_listen(self):
        return await self.broker.pubsub_numsub("socketio") == [("socketio", 2)]

    async def only_these_are_told(self, speaker, receivers, *texts):
        """A server's messages are in order: nothing else has come to who has got the last word."""
        await speaker.does("say", "last word", None, True)
        for browser in self.browsers:
            for text in texts if browser in receivers else ():
                await browser.expect(text)
            await browser.expect("last word")
            assert browser.told.empty(), f"{browser.name} is told {browser.told}"

    async def broadcasts(self):
        for speaker in self.ann, self.dan:
            await speaker.does("say", "to all", None, True)
            await self.only_these_are_told(speaker, self.browsers, "to all")
            await speaker.does("say", "to the others", None, False)
            others = [browser for browser in self.browsers if browser is not speaker]
            await self.only_these_are_told(speaker, others, "to the others")

    async def rooms(self):
        for speaker in self.bob, self.cat:
            await speaker.does("say", "red", "red", True)
            await self.only_these_are_told(speaker, [self.ann, self.cat, self.dan], "red")
            await speaker.does("say", "blue", "blue", True)
            await self.only_these_are_told(speaker, [self.bob, self.dan], "blue")
            await speaker.does("say", "to dan", self.dan.sid, True)
            await self.only_these_are_told(speaker, [self.dan], "to dan")
            await speaker.does("say", "nothing", "nobody is here", True)
            await self.only_these_are_told(speaker, [])

    async def any_bytes(self):
        everything = bytes(range(256))
        await self.ann.does("say", everything, "red", True)
        await self.only_these_are_told(self.ann, [self.ann, self.cat, self.dan], everything)

    async def messages_in_order(self):
        await self.bob.does("count", "red", 1000)
        await self.only_these_are_told(self.bob, [self.ann, self.cat, self.dan], *range(1000))

    async def questions_to_clients_of_the_other_server(self):
        for asker in self.ann, self.cat:
            for answerer in self.browsers:
                answer = await asker.does("ask", answerer.sid, 7)
                assert answer == f"{answerer.name} says 7", answer

    async def moves_clients_of_the_other_server(self):
        await self.ann.does("enter", self.cat.sid, "green")
        await self.ann.does("enter", self.bob.sid, "green")
        await self.ann.does("say", "green", "green", True)
        await self.only_these_are_told(self.ann, [self.bob, self.cat], "green")
        await self.ann.does("leave", self.cat.sid, "green")
        await self.ann.does("say", "green", "green", True)
        await self.only_these_are_told(self.ann, [self.bob], "green")
        await self.ann.does("enter", self.cat.sid, "green")
        await self.ann.does("close", "green")
        await self.ann.does("say", "green", "green", True)
        await self.only_these_are_told(self.ann, [])

    async def a_process_that_only_emits(self):
        emitter = await asyncio.create_subprocess_exec(
            sys.executable, HERE / "python_socketio_emit.py", URL, "red"
        )
        assert await within("it ends", emitter.wait()) == 0
        for browser in self.ann, self.cat, self.dan:
            await browser.expect("from outside")
            await browser.expect({"bytes": bytes(range(256))})
        await self.only_these_are_told(self.ann, [])

    async def recovers_when_killed(self):
        assert await self.broker.client_kill_filter(_type="pubsub") == 2
        # A server pauses before it listens again, and loses what is said meanwhile.
        for speaker, listener in (self.ann, self.dan), (self.dan, self.ann):

            async def heard():
                await speaker.does("say", "are you there?", listener.sid, True)
                return not listener.told.empty()

            await eventually("the servers hear each other again", heard)
            await speaker.does("say", "good", listener.sid, True)
            while await within("a word", listener.told.get()) != "good":
                pass
        await self.broadcasts()
        await self.rooms()

    async def expels_clients_of_the_other_server(self):
        await self.ann.does("expel", self.dan.sid)
        await within("dan is told", self.dan.left.wait())
        self.browsers.remove(self.dan)
        await self.ann.does("say", "to all", None, True)
        await self.only_these_are_told(self.ann, self.browsers, "to all")

    async def end(self):
        for browser in self.browsers:
            await browser.client.disconnect()
        for server in self.servers:
            server.process.stdin.close()
            await within("a server ends", server.process.wait())
        await self.broker.aclose()


async def main():
    checks = Checks()
    await run(
        checks.servers_hear_each_other,
        checks.broadcasts,
        checks.rooms,
        checks.any_bytes,
        checks.messages_in_order,
        checks.questions_to_clients_of_the_other_server,
        checks.moves_clients_of_the_other_server,
        checks.a_process_that_only_emits,
        checks.recovers_when_killed,
        checks.expels_clients_of_the_other_server,
        checks.end,
    )


asyncio.run(main())
