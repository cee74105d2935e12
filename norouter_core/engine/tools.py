"""What is done by hand, to one host or one stream; the spec stays as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from norouter_core.engine.relay import LocalStream, RelayedStream, Streams
from norouter_core.engine.status import HostState
from norouter_core.engine.supervisor import Supervisor
from norouter_core.engine.tap import Sink, Tap, TapError
from norouter_core.exec_commands.command import shell_argv
from norouter_core.links.base import Link, OperationError
from norouter_core.links.execute import OutputHandler, execute, execute_behind

_AT_REST = (HostState.BACKING_OFF, HostState.STOPPED, HostState.FAILED)


class Tools(ABC):
    """The part of the engine that does so."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._supervisors: dict[str, Supervisor] = {}
        self._taps: dict[int, list[Tap]] = {}

    @abstractmethod
    def host_log(self, level: str, host: str, text: str) -> None:
        """Tells a line about a host."""

    async def restart(self, host: str) -> None:
        """Starts a host anew, at once; also one that was stopped.

        Raises:
            KeyError: there is no host of that name.
        """
        self._supervisors[host].restart()

    async def stop_host(self, host: str) -> None:
        """Ends a host until it is started again, whatever is applied meanwhile: its streams are
        reset at once, its listeners go. Returns when nothing of it is left.

        Raises:
            KeyError: there is no host of that name.
        """
        supervisor = self._supervisors[host]
        self._streams.host_stops(host)
        await supervisor.pause()

    async def start_host(self, host: str) -> None:
        """Starts a host that was stopped, has failed, or waits to be tried again; at once.

        Raises:
            KeyError: there is no host of that name.
        """
        supervisor = self._supervisors[host]
        if supervisor.paused or supervisor.state in _AT_REST:
            supervisor.restart()

    async def kill_stream(self, number: int) -> bool:
        """Resets a stream at both ends; False if there is none of that number.

        Raises:
            OperationError: it is one that a host serves to itself, and that host does not answer.
        """
        stream = self._streams.find(number)
        if stream is None:
            return False
        if isinstance(stream, LocalStream):
            link = self._supervisors[stream.from_host].link
            try:
                if link is not None:
                    await link.kill_direct(stream.remote_number)
            except OperationError as error:
                if error.code != "gone":  # with its link the stream has ended, too
                    raise
        else:
            stream.kill("killed", "killed by the user")
        return True

    def kill_now(self) -> None:
        """Ends every exec command at once, by SIGKILL: for a user who does not want to wait for
        the orderly stop. Agents notice by the end of their stdin."""
        for supervisor in self._supervisors.values():
            supervisor.kill_now()

    def tap(self, number: int, sink: Sink) -> Tap:
        """Has the bytes of a stream told to `sink` from now on, until what is returned is left or
        closed. Several may tap one stream.

        Raises:
            TapError: there is no such stream, or its bytes do not cross the hub.
        """
        stream = self._streams.find(number)
        if stream is None:
            raise TapError(f"there is no stream {number}")
        if isinstance(stream, LocalStream) or stream.spliced_as is not None:
            raise TapError(
                f"stream {number} is served on {stream.from_host} itself: its bytes never come by "
                "here"
            )

        def failed(error: Exception) -> None:
            self.host_log("error", stream.from_host, f"the tap of stream {number}: {error!r}")

        tap = Tap(stream, sink, failed)
        self._taps.setdefault(number, []).append(tap)
        return tap

    def _untap(self, stream: RelayedStream | LocalStream) -> None:
        for tap in self._taps.pop(stream.number, ()):
            tap.stream_ended(stream.reason)

    async def ping(self, host: str) -> float:
        """Seconds that one question to a host and its answer take, now; of this machine, which
        has no link, those of one turn of the loop.

        Raises:
            KeyError: there is no host of that name.
            OperationError: it is not up, or does not answer.
        """
        return await self._up(host).ping()

    async def resolve(self, host: str, name: str) -> list[str]:
        """The addresses of a name as that host's resolver sees it, in its order of preference.

        Raises:
            KeyError: there is no host of that name.
            OperationError: it is not up, or knows no such name.
        """
        return await self._up(host).resolve(name)

    async def exec(self, host: str, argv: Sequence[str], emit: OutputHandler) -> int:
        """Runs a command on a host by its exec command, beside the agent, whether that is up or
        not; stdin is empty. `emit` is told `stdout` or `stderr` and the bytes as they come, and
        must not block. Cancelling ends the command, on the host too.

        Returns:
            The exit status; 128 and the signal's number where a signal ended it.

        Raises:
            KeyError: there is no host of that name.
            OSError: the command (on this machine) or the exec command cannot be started.
            ValueError: `argv` is empty, or holds what no command can (a NUL).
        """
        if not argv or any("\0" in word for word in argv):
            raise ValueError("no command, or one with a NUL in it")
        spec = self._supervisors[host].host
        if spec.argv is None:
            return await execute(tuple(argv), emit)
        return await execute_behind(shell_argv(spec.argv), argv, emit)

    def _up(self, host: str) -> Link:
        supervisor = self._supervisors[host]
        if supervisor.link is None:
            raise OperationError("gone", f"{host} is {supervisor.state}")
        return supervisor.link
