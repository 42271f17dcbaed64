"""redis-py over TLS: redis_py_tls.py PORT PROTOCOL AUTHORITY. It checks the certificate and the server's name."""

import sys

import redis

port, protocol, authority = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
options = dict(
    protocol=protocol, ssl_cert_reqs="required", ssl_check_hostname=True, ssl_ca_certs=authority, decode_responses=True
)
client = redis.Redis(host="localhost", port=port, ssl=True, **options)
assert client.ping()

with client.pubsub() as pubsub:
    pubsub.subscribe("news")
    assert pubsub.get_message(timeout=10)["type"] == "subscribe"
    large = "x" * (8 * 1024 * 1024)
    for payload in ["hello", large, "end"]:
        assert client.publish("news", payload) == 1
        message = pubsub.get_message(timeout=30)
        assert message["type"] == "message" and message["data"] == payload, message["type"]

with client.pipeline(transaction=False) as pipeline:
    for number in range(1000):
        pipeline.publish("nobody", str(number))
    assert pipeline.execute() == [0] * 1000

try:
    redis.Redis(host="localhost", port=port, ssl=True, protocol=protocol, ssl_cert_reqs="required").ping()
except redis.ConnectionError as error:
    assert "certificate verify failed" in str(error), error
else:
    raise AssertionError("a certificate that nobody vouches for was taken")
