"""redis-py's RedisCluster as applications use it. Usage: redis_cluster.py PORT (default|2|3)

Each function is one thing that must work; the first that does not ends the script with a traceback.
"""

import asyncio
import sys
import time

import redis.asyncio.cluster
import redis.cluster

PORT = int(sys.argv[1])
PROTOCOL = {} if sys.argv[2] == "default" else {"protocol": int(sys.argv[2])}
# Far more than anything takes.
DEADLINE = 50


def connect():
    return redis.cluster.RedisCluster(
        host="127.0.0.1", port=PORT, socket_timeout=DEADLINE, decode_responses=True, **PROTOCOL
    )


def until(what, get):
    """What comes first that is not None: pub/sub objects give None when their time is up."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        got = get()
        if got is not None:
            return got
    raise TimeoutError(what)


def told(message):
    return message["type"], message["channel"], message["data"]


def finds_the_instances():
    client = connect()
    assert client.ping(target_nodes=redis.cluster.RedisCluster.ALL_NODES) is True
    nodes = client.get_nodes()
    assert len(nodes) >= 1 and all(node.server_type == "primary" for node in nodes), nodes
    assert {client.get_node_from_key(f"channel:{number}").name for number in range(100)} == {
        node.name for node in nodes
    }
    assert client.cluster_info()["cluster_state"] == "ok"
    assert all(node["flags"].endswith("master") for node in client.cluster_nodes().values())
    assert client.cluster_keyslot("foo{bar}") == 5061
    assert client.info(target_nodes=nodes[0])["cluster_enabled"] == 1


def publishes_and_subscribes():
    client = connect()
    with client.pubsub() as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("weather.*")
        assert until("confirmation", lambda: pubsub.get_message(timeout=1))["type"] == "subscribe"
        assert until("confirmation", lambda: pubsub.get_message(timeout=1))["type"] == "psubscribe"
        client.publish("news", "hello")
        assert told(until("message", lambda: pubsub.get_message(timeout=1))) == ("message", "news", "hello")
        client.publish("weather.uk", "rain")
        message = until("message", lambda: pubsub.get_message(timeout=1))
        assert told(message) == ("pmessage", "weather.uk", "rain"), message
        # Over all instances, added up by the client.
        assert client.pubsub_numsub("news") == [("news", 1)]
        assert client.pubsub_channels() == ["news"]
        assert client.pubsub_numpat() == 1


def shard_channels_of_all_slots():
    client = connect()
    names = [f"room:{number}" for number in range(40)]
    with client.pubsub() as pubsub:
        for name in names:
            pubsub.ssubscribe(name)
        for name in names:
            assert client.spublish(name, f"to {name}") == 1, name
        got = {}
        while len(got) < len(names):
            message = until(
                "message", lambda: pubsub.get_sharded_message(ignore_subscribe_messages=True, timeout=1)
            )
            assert message["type"] == "smessage", message
            got[message["channel"]] = message["data"]
        assert got == {name: f"to {name}" for name in names}
        node = client.get_node_from_key(names[0])
        assert client.pubsub_shardnumsub(names[0], target_nodes=node) == [(names[0], 1)]
        pubsub.sunsubscribe(names[0])
        until("confirmation", lambda: pubsub.get_sharded_message(timeout=1))


def with_asyncio():
    async def check():
        client = redis.asyncio.cluster.RedisCluster(
            host="127.0.0.1", port=PORT, decode_responses=True, **PROTOCOL
        )
        async with client:
            assert await client.ping() is True
            assert isinstance(await client.publish("news", "hello"), int)
            assert await client.cluster_keyslot("foo{bar}") == 5061

    asyncio.run(asyncio.wait_for(check(), DEADLINE))


for check in (finds_the_instances, publishes_and_subscribes, shard_channels_of_all_slots, with_asyncio):
    print(check.__name__, flush=True)
    check()
