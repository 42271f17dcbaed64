"""An application server with users of its own, to be killed. Usage: presence_application.py PORT PROTOCOL SESSION TOPIC USERS

It prints a line, what it was told, when all of them are tracked.
"""

import json
import sys

from presence_parts import Application, connect

port, protocol, session, topic, count = sys.argv[1:]
users = {f"user {number}": {"number": number} for number in range(int(count))}
application = Application(connect(int(port), protocol), session, topic, users)
while True:
    print(json.dumps(application.attached()), flush=True)
