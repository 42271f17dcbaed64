"""redis-cli at a terminal, as people use it. Usage: redis_cli.py PORT (2|3)

Each function is one thing that must work; the first that does not ends the script with a traceback, which shows what
the terminal had.
"""

import os
import subprocess
import sys

import pexpect

PORT = sys.argv[1]
RESP3 = sys.argv[2] == "3"
# Far more than anything takes.
DEADLINE = 50
ADDRESS = f"127.0.0.1:{PORT}"
PROMPT = f"{ADDRESS}> "


def terminal(*arguments):
    """redis-cli at a terminal of its own."""
    return pexpect.spawn(
        "redis-cli",
        ["-p", PORT, *(["-3"] if RESP3 else []), *arguments],
        timeout=DEADLINE,
        encoding="latin1",
        # Wide: what is typed must not be broken into lines.
        dimensions=(24, 200),
        # Neither a history nor settings of whoever runs this.
        env={**os.environ, "TERM": "xterm", "REDISCLI_HISTFILE": "/dev/null", "REDISCLI_RCFILE": "/dev/null"},
    )


def at_prompt():
    cli = terminal()
    cli.expect_exact(PROMPT)
    return cli


def say(cli, line, *answers):
    """Types a line; the answers must follow in this order, but for what the line editor prints while one types."""
    cli.send(line + "\r")
    cli.expect_exact(line + "\r")
    for answer in answers:
        cli.expect_exact(answer)


def ends(cli, exit_code=None, signal=None):
    cli.expect(pexpect.EOF)
    cli.close()
    assert (cli.exitstatus, cli.signalstatus) == (exit_code, signal), (cli.exitstatus, cli.signalstatus)


def elsewhere(*arguments):
    """The output of a redis-cli without a terminal."""
    return subprocess.run(
        ["redis-cli", "-p", PORT, *arguments], check=True, capture_output=True, text=True, timeout=DEADLINE
    ).stdout


def restart_server():
    """Has the server killed and started again on the same port."""
    print("restart", flush=True)
    assert sys.stdin.readline() == "restarted\n"


def prompts_and_answers():
    cli = at_prompt()
    say(cli, "PING", "PONG\r\n", PROMPT)
    say(cli, 'ECHO "a\\x00b"', '"a\\x00b"\r\n', PROMPT)
    say(cli, "PUBLISH news hello", "(integer) 0\r\n", PROMPT)
    say(cli, "PUBSUB NUMSUB news", '1) "news"\r\n2) (integer) 0\r\n', PROMPT)
    say(cli, "NOSUCH a", "(error) ERR unknown command 'NOSUCH', with args beginning with: 'a' \r\n", PROMPT)
    say(cli, "CLIENT INFO", f" resp={3 if RESP3 else 2}", PROMPT)
    say(cli, "SELECT 3", "OK\r\n", f"{ADDRESS}[3]> ")
    say(cli, "MULTI", "OK\r\n", f"{ADDRESS}[3](TX)> ")
    say(cli, "PING", "QUEUED\r\n", f"{ADDRESS}[3](TX)> ")
    say(cli, "EXEC", "1) PONG\r\n", f"{ADDRESS}[3]> ")
    say(cli, "quit")
    ends(cli, exit_code=0)


def hints_and_help():
    cli = at_prompt()
    cli.send("publish ")
    cli.expect_exact("channel message")
    # Ctrl-U clears the line.
    cli.send("\x15")
    say(cli, "help publish", "PUBLISH", "channel message", "summary:", "group:", "pubsub", PROMPT)
    say(cli, "help @pubsub", "PSUBSCRIBE", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", PROMPT)
    # Tab completes.
    cli.send("PUBLIS\t")
    cli.expect_exact("PUBLISH")
    cli.send(" a b\r")
    cli.expect_exact("(integer) 0\r\n")
    # Ctrl-D on an empty line leaves.
    cli.expect_exact(PROMPT)
    cli.sendeof()
    ends(cli, exit_code=0)


def subscribed_mode():
    cli = at_prompt()
    say(cli, "SUBSCRIBE news", "Reading messages...", '1) "subscribe"', '2) "news"', "3) (integer) 1")
    assert elsewhere("publish", "news", "hello") == "1\n"
    for line in ('1) "message"', '2) "news"', '3) "hello"'):
        cli.expect_exact(line)
    # Ctrl-C leaves the mode, not redis-cli.
    cli.sendintr()
    cli.expect_exact(PROMPT)
    say(cli, "PING", "PONG\r\n", PROMPT)
    assert elsewhere("publish", "news", "hello") == "0\n"
    say(cli, "PSUBSCRIBE n*", '1) "psubscribe"', '2) "n*"', "3) (integer) 1")
    assert elsewhere("publish", "news", "again") == "1\n"
    for line in ('1) "pmessage"', '2) "n*"', '3) "news"', '4) "again"'):
        cli.expect_exact(line)
    cli.sendintr()
    cli.expect_exact(PROMPT)
    say(cli, "SSUBSCRIBE orders", '1) "ssubscribe"', '2) "orders"', "3) (integer) 1")
    assert elsewhere("spublish", "orders", "tea") == "1\n"
    for line in ('1) "smessage"', '2) "orders"', '3) "tea"'):
        cli.expect_exact(line)
    cli.close(force=True)


def recovers(break_connection):
    cli = at_prompt()
    break_connection()
    # The first command finds out, the next one connects again.
    say(cli, "PING", "not connected> ")
    say(cli, "CLIENT INFO", f" resp={3 if RESP3 else 2}", PROMPT)
    cli.sendeof()
    ends(cli, exit_code=0)


def survives_client_kill():
    recovers(lambda: elsewhere("client", "kill", "type", "normal"))


def survives_a_restart():
    recovers(restart_server)


def watches_latency():
    cli = terminal("--latency")
    cli.expect(r"min: \d+, max: \d+, avg: [\d.]+ \(2 samples\)")
    cli.sendintr()
    ends(cli, signal=2)


def watches_statistics():
    cli = terminal("--stat")
    cli.expect_exact("------- data ------")
    cli.expect(r"keys +mem +clients blocked requests +connections")
    # A line a second; each tells how many requests there were since the last.
    cli.expect(r"0 +[\d.]+[KMG] +\d+ +0 +\d+ \(\+\d+\)")
    cli.sendintr()
    ends(cli, signal=2)


def watches_commands():
    cli = terminal("monitor")
    cli.expect_exact("OK\r\n")
    elsewhere("publish", "news", "hello")
    cli.expect(r'\d+\.\d+ \[0 127\.0\.0\.1:\d+\] "publish" "news" "hello"\r\n')
    cli.sendintr()
    ends(cli, signal=2)


for check in (
    prompts_and_answers,
    hints_and_help,
    subscribed_mode,
    survives_client_kill,
    survives_a_restart,
    watches_latency,
    watches_statistics,
    watches_commands,
):
    print(check.__name__, flush=True)
    check()
print("all done")
