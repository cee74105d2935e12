"""MQTT by mosquitto, and mail by SMTP, both to a container."""

from __future__ import annotations

import signal
import smtplib
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.field.field import BOX, READY, Field
from tests.transports.procs import Background
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

MESSAGES = 300


@pytest.fixture(scope="module")
def mosquitto(field: Field) -> Iterator[None]:
    program = need_program("mosquitto", "mosquitto")
    need_program("mosquitto_sub", "mosquitto-clients")
    config = field.make_folder("mosquitto") / "conf"
    config.write_text("listener 1883 127.0.0.1\nallow_anonymous true\nuser root\n")
    with field.serving("box", [program, "-c", str(config)], 1883):
        yield


@pytest.mark.usefixtures("mosquitto")
def test_mqtt_with_every_message_once(field: Field, tmp_path: Path) -> None:
    """A subscriber on one host, a publisher on another, quality of service 2."""
    to = ("-h", BOX, "-t", "news", "-q", "2")
    words = field.places["web"].net(
        "stdbuf", "-oL", "mosquitto_sub", *to, "-C", str(MESSAGES), "-d"
    )
    with Background(words, stderr=tmp_path / "sub.stderr") as subscriber:
        subscriber.wait_line("Subscribed", 20)
        lines = "".join(f"message {number}\n" for number in range(MESSAGES))
        field.run("local", "mosquitto_pub", *to, "-l", stdin=lines.encode())
        assert subscriber.process.wait(30) == 0
        subscriber.wait_until(lambda: "DISCONNECT" in subscriber.lines[-1], 10, "its last line")
    heard = [line for line in subscriber.lines if line.startswith("message ")]
    assert heard == lines.splitlines()


@pytest.mark.usefixtures("mosquitto")
def test_mqtt_resumes_a_session_when_the_link_is_back(field: Field, tmp_path: Path) -> None:
    """What was published meanwhile comes late, and once."""
    to = ("-h", BOX, "-t", "late", "-q", "2")
    session = ("-i", "subscriber", "-c", "-k", "5", "-C", "20", "-d")
    words = field.hub.enter("stdbuf", "-oL", "mosquitto_sub", *to, *session)
    mark = len(field.mesh.events)
    with Background(words, stderr=tmp_path / "sub.stderr") as subscriber:
        subscriber.wait_line("Subscribed", 20)
        lines = [f"message {number}" for number in range(20)]
        field.run("local", "mosquitto_pub", *to, "-l", stdin="\n".join(lines[:10]).encode())
        subscriber.wait_line("message 9", 20)
        field.mesh.exec_client("box").send_signal(signal.SIGKILL)
        field.mesh.wait_states_since(mark, "box", "lost", 10)
        inside = ("-h", "127.0.0.1", *to[2:])
        field.run("box", "mosquitto_pub", *inside, "-l", stdin="\n".join(lines[10:]).encode())
        assert subscriber.process.wait(40) == 0
        subscriber.wait_until(lambda: "DISCONNECT" in subscriber.lines[-1], 10, "its last line")
    assert [line for line in subscriber.lines if line.startswith("message ")] == lines
    field.mesh.wait_states_since(mark, "box", "ready", READY)


def test_mail(field: Field) -> None:
    """A letter of some MB; the server, which is a debugging one, prints it."""
    argv = [sys.executable, "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:8025"]
    with field.serving("box", argv, 8025) as server:
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = "a@web.test", "b@box.test", "field"
        letter.set_content("\n".join(f"line {number}" for number in range(20_000)))
        with smtplib.SMTP(BOX, timeout=30) as client:
            client.send_message(letter)
        server.wait_line("line 19999", 20)
        assert [line for line in server.lines if line.startswith("line ")] == [
            f"line {number}" for number in range(20_000)
        ]
