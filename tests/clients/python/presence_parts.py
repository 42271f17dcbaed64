"""What the scripts about presence have in common: a subscription, an application server and a watcher, with redis-py."""

import json
import time

import redis

# Far more than anything takes, in seconds.
DEADLINE = 50


def connect(port, protocol, **options):
    version = {} if protocol == "default" else {"protocol": int(protocol)}
    return redis.Redis(port=port, socket_timeout=DEADLINE, decode_responses=True, **version, **options)


class Channel:
    """A subscription, read event by event. To mend a broken connection is the library's business."""

    def __init__(self, client, name):
        self.name = name
        self.pubsub = client.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe(name)

    def event(self):
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            # It gives None when its time is up and for what it handles itself.
            message = self.pubsub.get_message(timeout=1)
            if message is not None:
                assert message["channel"] == self.name, message
                return json.loads(message["data"])
        raise TimeoutError(f"nothing came from {self.name}")


class Application:
    """An application server: it tracks its users from a pool, and tracks them again when it is told to."""

    def __init__(self, client, session, topic, users):
        self.client, self.session, self.topic, self.users = client, session, topic, users
        self.channel = Channel(client, f"__presence_session__:{session}")

    def track(self, user):
        meta = json.dumps(self.users[user])
        return self.client.execute_command("PRESENCE.TRACK", self.topic, user, meta, "SESSION", self.session)

    def attached(self):
        """Waits to be told how its session stands, and does what it has to."""
        event = self.channel.event()
        assert event.pop("event") == "attached", event
        if not event["resumed"] or event["members"] != len(self.users):
            for user in self.users:
                self.track(user)
        return event


class Watcher:
    """Somebody who watches a topic, and knows from what it is told who is there."""

    def __init__(self, client, topic):
        self.topic, self.channel = topic, Channel(client, f"__presence__:{topic}")
        self.known, self.parts = {}, {}
        assert self.event() == ("state", set(), {})

    def event(self):
        """Takes what it is told next: a state or a diff, who has joined, and who has left for which reasons."""
        event = self.channel.event()
        assert event["topic"] == self.topic, event
        payload = event["payload"]
        if event["event"] == "presence_state":
            self.parts.update(payload)
            if not event.get("more"):
                self.known, self.parts = self.parts, {}
            return "state", set(payload), {}
        for key, group in payload["joins"].items():
            self.known.setdefault(key, {"metas": []})["metas"].extend(group["metas"])
        for key, group in payload["leaves"].items():
            refs = {meta["phx_ref"] for meta in group["metas"]}
            assert refs == set(group["reasons"]), group
            self.known[key]["metas"] = [m for m in self.known[key]["metas"] if m["phx_ref"] not in refs]
            if not self.known[key]["metas"]:
                del self.known[key]
        reasons = {key: set(group["reasons"].values()) for key, group in payload["leaves"].items()}
        return "diff", set(payload["joins"]), reasons

    def until(self, condition):
        while not condition(self.known):
            self.event()

    def was_told_nothing(self, client):
        """What it is told next is that somebody comes now, after all that has happened."""
        client.execute_command("PRESENCE.TRACK", self.topic, "the last", "SESSION", "of the last")
        assert self.event() == ("diff", {"the last"}, {})
        client.execute_command("PRESENCE.END", "of the last")
        assert self.event() == ("diff", set(), {"the last": {"untrack"}})
