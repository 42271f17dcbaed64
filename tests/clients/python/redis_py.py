"""redis-py as applications use it. Usage: redis_py.py PORT (default|2|3)

Each function is one thing that must work; the first that does not ends the script with a traceback.
"""

import asyncio
import sys
import time

import redis
import redis.asyncio

PORT = int(sys.argv[1])
PROTOCOL = {} if sys.argv[2] == "default" else {"protocol": int(sys.argv[2])}
# Far more than anything takes.
DEADLINE = 50


def restart_server():
    """Has the server killed and started again on the same port."""
    print("restart", flush=True)
    assert sys.stdin.readline() == "restarted\n"


def connect(**options):
    return redis.Redis(port=PORT, socket_timeout=DEADLINE, decode_responses=True, **PROTOCOL, **options)


def receive(pubsub, **options):
    """The next message. get_message gives None when its time is up and for what it handles itself."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        message = pubsub.get_message(timeout=1, **options)
        if message is not None:
            return message
    raise TimeoutError("no message came")


def told(pubsub, **options):
    message = receive(pubsub, **options)
    return message["type"], message["pattern"], message["channel"], message["data"]


def connects():
    client = connect(client_name="me")
    assert client.ping() is True
    assert client.echo("hello") == "hello"
    assert client.client_getname() == "me"
    info = client.client_info()
    assert info["resp"] == ("2" if PROTOCOL == {"protocol": 2} else "3"), info
    assert int(info["id"]) == client.client_id(), info
    assert client.info()["role"] == "master"


def selects_a_database():
    assert connect(db=3).ping() is True


def subscribes_and_publishes():
    client = connect()
    pubsub = client.pubsub()
    pubsub.subscribe("news", "weather")
    assert told(pubsub) == ("subscribe", None, "news", 1)
    assert told(pubsub) == ("subscribe", None, "weather", 2)
    assert client.publish("news", "hello") == 1
    assert told(pubsub) == ("message", None, "news", "hello")
    assert client.publish("nobody", "hello") == 0
    assert dict(client.pubsub_numsub("news", "nobody")) == {"news": 1, "nobody": 0}
    assert sorted(client.pubsub_channels()) == ["news", "weather"]
    pubsub.ping()
    # In RESP3 an ordinary reply, which the library reports in another form.
    message = receive(pubsub)
    assert PROTOCOL != {"protocol": 2} or message["type"] == "pong", message
    pubsub.close()


def patterns():
    client = connect()
    pubsub = client.pubsub()
    pubsub.psubscribe("news.*")
    assert told(pubsub) == ("psubscribe", None, "news.*", 1)
    assert client.pubsub_numpat() == 1
    assert client.publish("news.uk", "hello") == 1
    assert told(pubsub) == ("pmessage", "news.*", "news.uk", "hello")
    pubsub.close()


def handlers():
    client = connect()
    got = []
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(**{"a": lambda message: got.append(message["data"])})
    thread = pubsub.run_in_thread(sleep_time=0.01)
    until = time.monotonic() + DEADLINE
    while client.publish("a", "x") == 0:
        assert time.monotonic() < until
    while not got:
        assert time.monotonic() < until
        time.sleep(0.01)
    thread.stop()
    thread.join()


def shard_channels():
    client = connect()
    pubsub = client.pubsub()
    pubsub.ssubscribe("orders")
    assert told(pubsub) == ("ssubscribe", None, "orders", 1)
    assert client.spublish("orders", "hello") == 1
    assert told(pubsub) == ("smessage", None, "orders", "hello")
    assert client.pubsub_shardchannels() == ["orders"]
    assert dict(client.pubsub_shardnumsub("orders")) == {"orders": 1}
    pubsub.sunsubscribe("orders")
    assert told(pubsub) == ("sunsubscribe", None, "orders", 0)
    pubsub.close()


def unsubscribes():
    client = connect()
    pubsub = client.pubsub()
    pubsub.subscribe("a", "b")
    pubsub.psubscribe("c*")
    for _ in range(3):
        receive(pubsub)
    pubsub.unsubscribe("a")
    assert told(pubsub) == ("unsubscribe", None, "a", 2)
    pubsub.unsubscribe()
    assert told(pubsub) == ("unsubscribe", None, "b", 1)
    pubsub.punsubscribe()
    assert told(pubsub) == ("punsubscribe", None, "c*", 0)
    assert not pubsub.subscribed
    assert client.publish("a", "x") == 0
    pubsub.close()


def recovers(break_connections):
    """Breaks the connections and expects the library to connect and to subscribe again by itself."""
    client = connect()
    pubsub = client.pubsub()
    pubsub.subscribe("a")
    pubsub.psubscribe("b*")
    receive(pubsub), receive(pubsub)
    break_connections(client)
    # It notices when it reads.
    assert {receive(pubsub)["type"] for _ in range(2)} == {"subscribe", "psubscribe"}
    assert client.publish("a", "again") == 1
    assert told(pubsub) == ("message", None, "a", "again")
    assert client.publish("bb", "again") == 1
    assert told(pubsub) == ("pmessage", "b*", "bb", "again")
    pubsub.close()


def survives_client_kill():
    def kill(client):
        assert client.client_kill_filter(_type="pubsub") == 1

    recovers(kill)


def survives_a_restart():
    recovers(lambda client: restart_server())


def pipelines():
    client = connect()
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("a")
    until = time.monotonic() + DEADLINE
    while client.pubsub_numsub("a")[0][1] == 0:
        assert time.monotonic() < until
    for transaction in (True, False):
        pipeline = client.pipeline(transaction=transaction)
        for number in range(100):
            pipeline.publish("a", number)
        pipeline.ping()
        assert pipeline.execute() == [1] * 100 + [True]
        for number in range(100):
            assert told(pubsub) == ("message", None, "a", str(number))
    pubsub.close()


def any_bytes():
    client = redis.Redis(port=PORT, socket_timeout=DEADLINE, **PROTOCOL)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    everything = bytes(range(256))
    pubsub.subscribe(everything)
    until = time.monotonic() + DEADLINE
    while client.publish(everything, everything * 1000) == 0:
        assert time.monotonic() < until
    message = receive(pubsub)
    assert message["channel"] == everything and message["data"] == everything * 1000
    pubsub.close()


def raises_errors():
    client = connect()
    try:
        client.execute_command("NOSUCH", "a")
    except redis.ResponseError as error:
        assert "unknown command" in str(error), error
    else:
        raise AssertionError("an unknown command is an error")


def asynchronously():
    async def run():
        async with redis.asyncio.Redis(port=PORT, decode_responses=True, **PROTOCOL) as client:
            async with client.pubsub() as pubsub:
                messages = pubsub.listen()

                async def expect(*expected):
                    for item in expected:
                        message = await anext(messages)
                        assert (message["type"], message["channel"], message["data"]) == item

                await pubsub.subscribe("a")
                await pubsub.psubscribe("a*")
                await expect(("subscribe", "a", 1), ("psubscribe", "a*", 2))
                await pubsub.ssubscribe("orders")
                await expect(("ssubscribe", "orders", 1))
                assert await client.publish("a", "hello") == 2
                await expect(("message", "a", "hello"), ("pmessage", "a", "hello"))
                assert await client.spublish("orders", "hello") == 1
                await expect(("smessage", "orders", "hello"))
                await pubsub.sunsubscribe("orders")
                await expect(("sunsubscribe", "orders", 0))
                for transaction in (True, False):
                    async with client.pipeline(transaction=transaction) as pipeline:
                        assert await pipeline.publish("a", "x").publish("nobody", "x").execute() == [2, 0]
                    await expect(("message", "a", "x"), ("pmessage", "a", "x"))
                assert await client.client_kill_filter(_type="pubsub") == 1
                await expect(("subscribe", "a", 1), ("psubscribe", "a*", 2))
                await asyncio.to_thread(restart_server)
                await expect(("subscribe", "a", 1), ("psubscribe", "a*", 2))
                assert await client.publish("a", "again") == 2
                await expect(("message", "a", "again"), ("pmessage", "a", "again"))
                await pubsub.unsubscribe("a")
                await expect(("unsubscribe", "a", 1))

    asyncio.run(asyncio.wait_for(run(), DEADLINE))


for check in (
    connects,
    selects_a_database,
    subscribes_and_publishes,
    patterns,
    handlers,
    shard_channels,
    unsubscribes,
    survives_client_kill,
    survives_a_restart,
    pipelines,
    any_bytes,
    raises_errors,
    asynchronously,
):
    print(check.__name__, flush=True)
    check()
print("all done")
