"""Presence with redis-py as applications use it. Usage: presence.py PORT (default|2|3)

Each function is one thing that must work; the first that does not ends the script with a traceback.
"""

import json
import os
import subprocess
import sys
import uuid

import redis

import presence_parts
from presence_parts import DEADLINE, Application, Watcher

PORT, PROTOCOL = int(sys.argv[1]), sys.argv[2]


def connect(**options):
    return presence_parts.connect(PORT, PROTOCOL, **options)


def restart_server():
    """Has the server killed and started again on the same port."""
    print("restart", flush=True)
    assert sys.stdin.readline() == "restarted\n"


def fresh():
    """A name that nothing else has."""
    return str(uuid.uuid4())


def some_users(count):
    return {f"user {number}": {"number": number} for number in range(count)}


def keys(reply):
    """A reply of PRESENCE.LIST, in RESP2 a flat list, as an object."""
    if PROTOCOL == "2":
        reply = dict(zip(reply[::2], reply[1::2]))
    return {key: {"metas": [json.loads(meta) for meta in metas]} for key, metas in reply.items()}


def listed(topic):
    return keys(connect().execute_command("PRESENCE.LIST", topic))


def replies():
    run, topic, session = connect().execute_command, fresh(), fresh()
    assert run("PRESENCE.TOUCH", session) == 0
    assert run("PRESENCE.TOUCH", session, "TTL", 60_000) == 1
    ref = run("PRESENCE.TRACK", topic, "ada", '{"device": "phone"}', "SESSION", session)
    assert run("PRESENCE.TRACK", topic, "ada", '{"device":"phone"}', "SESSION", session) == ref
    other = run("PRESENCE.TRACK", topic, "ada", "SESSION", session, "ID", "tab")
    bobs = run("PRESENCE.TRACK", topic, "bob", "SESSION", session)
    newer = run("PRESENCE.UPDATE", topic, "bob", '{"away": true}', "SESSION", session, "MERGE")
    expected = {
        "ada": {"metas": [{"phx_ref": ref, "device": "phone"}, {"phx_ref": other}]},
        "bob": {"metas": [{"phx_ref": newer, "phx_ref_prev": bobs, "away": True}]},
    }
    assert listed(topic) == expected
    assert json.loads(run("PRESENCE.LIST", topic, "JSON")) == expected
    assert [json.loads(meta) for meta in run("PRESENCE.GET", topic, "ada")] == expected["ada"]["metas"]
    assert run("PRESENCE.GET", topic, "nobody") == []
    assert run("PRESENCE.COUNT", topic, "nowhere") == [[2, 3], [0, 0]]
    assert run("PRESENCE.WHERE", "ada") == [topic]
    cursor, found = run("PRESENCE.SCAN", topic, 0, "COUNT", 100)
    assert int(cursor) == 0 and keys(found) == expected
    assert run("PRESENCE.TOPICS", 0) == ["0", [topic]]
    assert run("PRESENCE.UNTRACK", topic, "bob", "SESSION", session) == 1
    assert run("PRESENCE.UNTRACK", topic, "bob", "SESSION", session) == 0
    assert run("PRESENCE.END", session) == 2
    assert run("PRESENCE.LIST", topic) in ([], {})


def errors():
    def refused(*command):
        try:
            connect().execute_command(*command)
        except redis.ResponseError as error:
            return str(error)
        raise AssertionError(f"{command} is an error")

    assert refused("PRESENCE.TRACK", "t", "k", '["a"]') == "presence meta is not a JSON object"
    assert refused("PRESENCE.TRACK", "t", "k", '{"a"}') == "presence meta is not a JSON object"
    assert refused("PRESENCE.UPDATE", "t", "k", "{}") == "NOTTRACKED presence member is not tracked"
    assert refused("PUBLISH", "__presence__:t", "{}") == "channel '__presence__:t' is reserved"
    assert refused("PRESENCE.LIST") == "wrong number of arguments for 'presence.list' command"


def a_member_without_a_session_leaves_with_its_connection():
    client, topic = connect(), fresh()
    watcher = Watcher(client, topic)
    pooled = connect(single_connection_client=True)
    pooled.execute_command("PRESENCE.TRACK", topic, "ada")
    assert watcher.event() == ("diff", {"ada"}, {})
    assert client.client_kill_filter(_id=pooled.client_id()) == 1
    assert watcher.event() == ("diff", set(), {"ada": {"closed"}})


def a_session_survives_connections_that_are_killed():
    client, topic = connect(), fresh()
    client.config_set("presence-grace", DEADLINE * 1000)
    watcher = Watcher(client, topic)
    application = Application(connect(), fresh(), topic, some_users(100))
    assert application.attached() == {"members": 0, "resumed": False}
    watcher.until(lambda known: len(known) == 100)
    (attached,) = client.execute_command("PUBSUB", "SUBSCRIBERS", application.channel.name)
    attached = attached[1] if PROTOCOL == "2" else attached["id"]
    assert client.client_kill_filter(_id=attached) == 1
    assert application.attached() == {"members": 100, "resumed": True}
    watcher.was_told_nothing(client)
    # Those from which it tracked.
    assert client.client_kill_filter(_type="normal", skipme=True) > 0
    application.track("user 0")
    watcher.was_told_nothing(client)
    assert watcher.known == listed(topic)
    assert client.execute_command("PRESENCE.END", application.session) == 100


def users_are_tracked_again_after_a_restart():
    client, topic = connect(), fresh()
    watcher = Watcher(client, topic)
    application = Application(connect(), fresh(), topic, some_users(100))
    assert application.attached() == {"members": 0, "resumed": False}
    watcher.until(lambda known: len(known) == 100)
    restart_server()
    # Its pool is back before its subscription.
    application.track("user 7")
    assert application.attached() == {"members": 1, "resumed": False}
    before = watcher.known
    watcher.until(lambda known: known is not before and len(known) == 100)
    assert watcher.known == listed(topic)
    # It is told once.
    (attached,) = client.execute_command("PUBSUB", "SUBSCRIBERS", application.channel.name)
    attached = attached[1] if PROTOCOL == "2" else attached["id"]
    client.config_set("presence-grace", DEADLINE * 1000)
    assert client.client_kill_filter(_id=attached) == 1
    assert application.attached() == {"members": 100, "resumed": True}
    watcher.was_told_nothing(client)


def start_application(session, topic, users):
    """A process of its own, and what it was told when all its users are tracked."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "presence_application.py")
    command = [sys.executable, script, str(PORT), PROTOCOL, session, topic, str(users)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def kill(process):
    process.kill()
    process.wait()
    process.stdout.close()


def an_application_that_is_back_in_time_is_not_missed():
    client, session, topic = connect(), fresh(), fresh()
    client.config_set("presence-grace", DEADLINE * 1000)
    watcher = Watcher(client, topic)
    process, told = start_application(session, topic, 1000)
    assert told == {"members": 0, "resumed": False}
    watcher.until(lambda known: len(known) == 1000)
    kill(process)
    process, told = start_application(session, topic, 1000)
    assert told == {"members": 1000, "resumed": True}
    watcher.was_told_nothing(client)
    assert client.execute_command("PRESENCE.END", session) == 1000
    kill(process)


def the_users_of_one_that_is_killed_are_lost():
    client, session, topic = connect(), fresh(), fresh()
    watcher = Watcher(client, topic)
    process, _ = start_application(session, topic, 1000)
    watcher.until(lambda known: len(known) == 1000)
    client.config_set("presence-grace", 100)
    kill(process)
    lost = {}
    messages = 0
    while len(lost) < 1000:
        kind, joins, leaves = watcher.event()
        assert kind == "diff" and not joins
        lost.update(leaves)
        messages += 1
    assert lost == {user: {"lost"} for user in some_users(1000)}
    assert messages <= 20, messages
    assert client.execute_command("PRESENCE.COUNT", topic) == [[0, 0]]
    assert watcher.known == {}


for check in (
    replies,
    errors,
    a_member_without_a_session_leaves_with_its_connection,
    a_session_survives_connections_that_are_killed,
    users_are_tracked_again_after_a_restart,
    an_application_that_is_back_in_time_is_not_missed,
    the_users_of_one_that_is_killed_are_lost,
):
    print(check.__name__, flush=True)
    check()
print("all done")
