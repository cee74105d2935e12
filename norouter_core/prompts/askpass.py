"""Asks what ssh or sudo has to ask, in the norouter that started it.

ssh and sudo run this program for each question: `askpass OTHER PROMPT`. OTHER is the user's own
program for this, which is run if norouter has nobody to ask; it may be empty. This file runs by
itself, with any Python and nothing but the standard library, because it has to start quickly.
"""

import json
import os
import signal
import socket
import sys

SOCKET = "NOROUTER_ASKPASS_SOCKET"
TOKEN = "NOROUTER_ASKPASS_TOKEN"


def main() -> int:
    """Ask, print the answer, and return the exit status."""
    other, prompt = sys.argv[1], " ".join(sys.argv[2:])
    kind = os.environ.get("SSH_ASKPASS_PROMPT", "")
    answer = _ask(other, prompt, kind)
    if kind == "none":
        return 0
    if kind == "confirm":
        return 0 if answer is not None else 1
    if answer is None:
        _end_parent()
        return 1
    os.write(1, answer + b"\n")
    return 0


def _ask(other: str, prompt: str, kind: str) -> "bytes | None":
    question = {
        "token": os.environ.get(TOKEN, ""),
        "process": os.getppid(),
        "kind": kind,
        # ssh passes on what a server sends, in whatever encoding.
        "text": os.fsencode(prompt).decode("utf-8", "replace"),
        "has_other": bool(other),
    }
    try:
        with socket.socket(socket.AF_UNIX) as hub:
            hub.connect(os.environ.get(SOCKET, ""))
            hub.sendall(json.dumps(question).encode() + b"\n")
            reply = json.loads(_read_line(hub))
            if "ask_other" in reply:
                found = _ask_other(other, prompt)
                if found is None:
                    hub.sendall(b'{"failed": true}\n')
                return found
            answer = str(reply["answer"])
            return answer.encode("utf-8", "surrogateescape")
    except (OSError, ValueError, KeyError):
        return None


def _read_line(hub: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        received = hub.recv(4096)
        if not received:
            raise OSError("the hub has ended")
        data += received
    return data


def _ask_other(program: str, prompt: str) -> "bytes | None":
    import subprocess

    done = subprocess.run([program, prompt], stdout=subprocess.PIPE, check=False)
    answer = done.stdout.rstrip(b"\r\n")
    return answer if done.returncode == 0 else None


def _end_parent() -> None:
    """End the program that asks: without an answer, ssh would send an empty password."""
    parent = os.getppid()
    try:
        if parent > 1:
            os.kill(parent, signal.SIGKILL)
    except OSError:
        pass  # sudo belongs to root. It sends nothing without an answer.


if __name__ == "__main__":
    sys.exit(main())
