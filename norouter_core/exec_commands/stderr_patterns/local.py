"""What programs of this machine and shells say: sudo, env, nsenter, chroot, ip, sh."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, stderr_pattern

_STARTERS = "env nice ionice nohup setsid timeout stdbuf exec doas"
_STARTER_LINE = (
    r"^(?:env|nice|ionice|nohup|setsid|timeout|stdbuf): .*?"
    r"(?<![\w./+-])(?P<missing>[\w./+-]+)[’'\"“»]?: "
)
_INSTALL = "install it, correct its name in the command, or give its full path"

SUDO: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.SUDO_PASSWORD,
        r"^sudo: a password is required|^sudo: a terminal is required|no tty present and no askpass"
        r"|^\[sudo\] |^Sorry, try again|^doas: Authentication |^doas: a tty is required",
        "{elevator} wants a password, and nobody can type one here",
        "allow this one command without a password (sudo: `NOPASSWD:` in sudoers; doas: `permit "
        "nopass`), or join the group that needs no {elevator}",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"^sudo: sorry, you must have a tty",
        "sudo's settings allow it on a terminal only (requiretty)",
        "have `Defaults !requiretty` set for your user in sudoers",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"is not allowed to execute|is not in the sudoers file|is not allowed to run sudo"
        r"|^doas: Operation not permitted|^doas: doas is not enabled",
        "{elevator} refuses: {line}",
        "have the command allowed for your user, or take the `{elevator}` out of it",
    ),
    # The words after the program's name are in the user's language, so only the shape counts.
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"^(?:sudo|doas): (?P<missing>[^\s:]+): [^:]+$",
        "{elevator} finds no program `{missing}`",
        _INSTALL,
        printed_by="sudo doas",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"^sudo: (?!unable to resolve host)(?P<why>.+)",
        "sudo refuses: {why}",
        "try it by hand in a shell: {run}",
        printed_by="sudo",
        statuses=(1,),
    ),
)

NAMESPACES: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"^nsenter: failed to execute (?:\S*/)?sh\b|^chroot: .*\Wsh\W+: ",
        "there is no `sh` {place}",
        "a POSIX `sh` and a Python are needed there",
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"^(?:nsenter|ip|unshare|chroot|setpriv): .*(?:Operation not permitted|Permission denied)"
        r"|^mount of /sys failed: Operation not permitted|^setting the network namespace ",
        "your user may not enter that namespace or root folder: {line}",
        "it takes root: put `sudo -n` in front: {sudo}",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^nsenter: .*?(?P<path>/proc/(?P<pid>\d+)/ns/\w+)",
        "there is no process {pid} whose namespace could be entered",
        "correct the number after `-t`, or name the namespace by a file that stays (`--net=FILE`)",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^nsenter: .*?(?P<path>/[^\s:'’»]+)|^Cannot open network namespace \"(?P<name>[^\"]+)\"",
        "there is no namespace {path}{name}",
        "look at what is there with `ip netns list`, and correct the command",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^chroot: ",
        "there is no root folder {target}: {line}",
        "correct the folder in the command",
        statuses=(125,),
    ),
)

STARTERS: tuple[StderrPattern, ...] = (
    # GNU and busybox: 127 is "no such program", 126 "cannot run it", whatever the language.
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        _STARTER_LINE,
        "`{missing}` is not found on this machine",
        _INSTALL,
        printed_by=_STARTERS,
        statuses=(127,),
    ),
    stderr_pattern(
        ProblemKind.NOT_EXECUTABLE,
        _STARTER_LINE,
        "`{missing}` cannot be run: {line}",
        "make it executable (chmod +x), or name the program that runs it",
        printed_by=_STARTERS,
        statuses=(126,),
    ),
)

SHELLS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"(?:^|[\s:'\"/])sh: (?:command )?not found$",
        "there is no `sh` {place}",
        "a POSIX `sh` and a Python are needed there",
        stages=(Stage.SHELL,),
        statuses=(127,),
    ),
)
