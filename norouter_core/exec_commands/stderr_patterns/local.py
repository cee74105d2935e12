"""What programs of this machine and shells print: sudo, env, nsenter, chroot, ip, sh."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, stderr_pattern
from norouter_core.exec_commands.templates import INSTALL_IT, MAKE_EXECUTABLE, NEEDS_SHELL, TRY_IT

_STARTERS = "env nice ionice nohup setsid timeout stdbuf exec doas"
_STARTER_LINE = (
    r"^(?:env|nice|ionice|nohup|setsid|timeout|stdbuf): .*?"
    r"(?<![\w./+-])(?P<missing>[\w./+-]+)[’'\"“»]?: "
)

SUDO: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.SUDO_PASSWORD,
        r"^sudo: a password is required|^sudo: a terminal is required|no tty present and no askpass"
        r"|^\[sudo\] |^Sorry, try again|^doas: Authentication |^doas: a tty is required",
        "{elevator} asks for a password, which norouter cannot enter",
        "allow this command without a password (sudo: `NOPASSWD:` in sudoers; doas: `permit "
        "nopass`), or join a group that needs no {elevator}",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"^sudo: sorry, you must have a tty",
        "sudo is configured to require a TTY (requiretty)",
        "set `Defaults !requiretty` for your user in sudoers",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"is not allowed to execute|is not in the sudoers file|is not allowed to run sudo"
        r"|^doas: Operation not permitted|^doas: doas is not enabled",
        "{elevator} refused: {line}",
        "allow the command for your user, or remove `{elevator}` from it",
    ),
    # The words after the program's name are in the user's language, so only their shape counts.
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"^(?:sudo|doas): (?P<missing>[^\s:]+): [^:]+$",
        "{elevator} cannot find `{missing}`",
        INSTALL_IT,
        printed_by="sudo doas",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"^sudo: (?!unable to resolve host)(?P<why>.+)",
        "sudo refused: {why}",
        TRY_IT,
        printed_by="sudo",
        statuses=(1,),
    ),
)

NAMESPACES: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"^nsenter: failed to execute (?:\S*/)?sh\b|^chroot: .*\Wsh\W+: ",
        "`sh` not found {place}",
        NEEDS_SHELL,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"^(?:nsenter|ip|unshare|chroot|setpriv): .*(?:Operation not permitted|Permission denied)"
        r"|^mount of /sys failed: Operation not permitted|^setting the network namespace ",
        "your user may not enter that namespace or root directory: {line}",
        "this needs root; prefix the command with `sudo -n`: {sudo}",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^nsenter: .*?(?P<path>/proc/(?P<pid>\d+)/ns/\w+)",
        "the process {pid}, whose namespace the command enters, does not exist",
        "correct the process ID after `-t`, or name the namespace by a file (`--net=FILE`)",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^nsenter: .*?(?P<path>/[^\s:'’»]+)|^Cannot open network namespace \"(?P<name>[^\"]+)\"",
        "the namespace {path}{name} does not exist",
        "list the namespaces with `ip netns list`, then correct the command",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^chroot: ",
        "cannot enter the root directory {target}: {line}",
        "correct the directory in the command",
        statuses=(125,),
    ),
)

STARTERS: tuple[StderrPattern, ...] = (
    # GNU and busybox: 127 is "no such program", 126 "cannot run it", in any language.
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        _STARTER_LINE,
        "`{missing}` not found on this machine",
        INSTALL_IT,
        printed_by=_STARTERS,
        statuses=(127,),
    ),
    stderr_pattern(
        ProblemKind.NOT_EXECUTABLE,
        _STARTER_LINE,
        "cannot run `{missing}`: {line}",
        MAKE_EXECUTABLE,
        printed_by=_STARTERS,
        statuses=(126,),
    ),
)

SHELLS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"(?:^|[\s:'\"/])sh: (?:command )?not found$",
        "`sh` not found {place}",
        NEEDS_SHELL,
        stages=(Stage.SHELL,),
        statuses=(127,),
    ),
)
