"""Two channel layers of Django Channels, as two processes of an application have them.
Usage: django_channels.py PORT (default|2|3)
"""

import asyncio

import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings

from support import PORT, URL, eventually, run, within

LAYER = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [URL]}}


class Checks:
    async def connect(self):
        self.broker = redis.asyncio.Redis(port=PORT, decode_responses=True)
        self.first, self.second = get_channel_layer("first"), get_channel_layer("second")
        self.ann = await self.channel(self.first)
        self.bob = await self.channel(self.first)
        self.cat = await self.channel(self.second)
        self.layers = {self.ann: self.first, self.bob: self.first, self.cat: self.second}

    async def listeners(self, channel, count):
        """A layer does not wait for the confirmation of what it subscribes to and unsubscribes from."""

        async def are_there():
            return await self.broker.pubsub_numsub(channel) == [(channel, count)]

        await eventually(f"{count} layers listen to {channel}", are_there)

    async def channel(self, layer):
        channel = await layer.new_channel()
        await self.listeners(channel, 1)
        return channel

    async def receive(self, channel):
        return await within("a message", self.layers[channel].receive(channel))

    async def only_these_receive(self, layer, receivers, *messages):
        """What a layer sends is in order: nothing else has come to who has received its last word."""
        for channel in self.layers:
            await layer.send(channel, {"type": "last.word"})
        for channel in self.layers:
            for message in messages if channel in receivers else ():
                received = await self.receive(channel)
                assert received == message, f"{received} and not {message}"
            received = await self.receive(channel)
            assert received == {"type": "last.word"}, received

    async def sends_to_a_channel(self):
        message = {"type": "chat.message", "text": "grüß dich", "bytes": bytes(range(256)), "numbers": [1, 2.5]}
        for layer in self.first, self.second:
            for channel in self.layers:
                await layer.send(channel, message)
                await self.only_these_receive(layer, [channel], message)

    async def groups(self):
        await self.first.group_add("chat", self.ann)
        await self.second.group_add("chat", self.cat)
        await self.first.group_add("other", self.bob)
        await self.listeners("asgi__group__chat", 2)
        await self.listeners("asgi__group__other", 1)
        message = {"type": "chat.message", "text": "hello"}
        for layer in self.first, self.second:
            await layer.group_send("chat", message)
            await self.only_these_receive(layer, [self.ann, self.cat], message)
            await layer.group_send("other", message)
            await self.only_these_receive(layer, [self.bob], message)
            await layer.group_send("nobody.is.here", message)
            await self.only_these_receive(layer, [])

    async def many_messages(self):
        messages = [{"type": "chat.message", "number": number} for number in range(2000)]
        for message in messages:
            await self.second.group_send("chat", message)
        await self.only_these_receive(self.second, [self.ann, self.cat], *messages)

    async def discards_from_a_group(self):
        message = {"type": "chat.message", "text": "hello"}
        # The layer still listens for another channel.
        await self.first.group_add("chat", self.bob)
        await self.first.group_discard("chat", self.ann)
        await self.second.group_send("chat", message)
        await self.only_these_receive(self.second, [self.bob, self.cat], message)
        # And then for none.
        await self.first.group_discard("chat", self.bob)
        await self.listeners("asgi__group__chat", 1)
        await self.second.group_send("chat", message)
        await self.only_these_receive(self.second, [self.cat], message)
        await self.first.group_add("chat", self.ann)
        await self.listeners("asgi__group__chat", 2)

    async def a_consumer_that_ends(self):
        channel = await self.channel(self.second)
        receiving = asyncio.ensure_future(self.second.receive(channel))
        # It is cancelled while it waits, and not before it has begun.
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        await self.listeners(channel, 0)
        await self.first.send(channel, {"type": "to.nobody"})

    async def many_groups(self):
        names = [f"group.{number}" for number in range(200)]
        for name in names:
            await self.first.group_add(name, self.ann)
            await self.second.group_add(name, self.cat)
        for name in names:
            await self.listeners(f"asgi__group__{name}", 2)
        messages = [{"type": "chat.message", "to": name} for name in names]
        for name, message in zip(names, messages):
            await self.first.group_send(name, message)
        await self.only_these_receive(self.first, [self.ann, self.cat], *messages)
        for name in names:
            await self.first.group_discard(name, self.ann)
            await self.second.group_discard(name, self.cat)
        for name in names:
            await self.listeners(f"asgi__group__{name}", 0)

    async def recovers_when_killed(self):
        async def subscriptions():
            return {client["id"]: int(client["sub"]) for client in await self.broker.client_list()}

        def counts(clients):
            return sorted(filter(None, clients.values()))

        before = await subscriptions()
        killed = {id for id, count in before.items() if count > 0}
        assert await self.broker.client_kill_filter(_type="pubsub") == len(killed) == 2

        async def subscribed_again():
            now = await subscriptions()
            return not killed & now.keys() and counts(now) == counts(before)

        await eventually("both have subscribed again", subscribed_again)
        await self.sends_to_a_channel()
        await self.groups()

    async def flushes(self):
        for layer in self.first, self.second:
            await layer.flush()
        for channel in (*self.layers, "asgi__group__chat"):
            await self.listeners(channel, 0)
        await self.broker.aclose()


async def main():
    checks = Checks()
    await run(
        checks.connect,
        checks.sends_to_a_channel,
        checks.groups,
        checks.many_messages,
        checks.discards_from_a_group,
        checks.a_consumer_that_ends,
        checks.many_groups,
        checks.recovers_when_killed,
        checks.flushes,
    )


settings.configure(CHANNEL_LAYERS={"first": LAYER, "second": LAYER})
asyncio.run(main())
