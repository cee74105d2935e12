"""What other programs print, and what all of them print about their arguments."""

from __future__ import annotations

from norouter_core.exec_commands.command import SHELLS
from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns.base import ENGINES, KUBE, LXD, StderrPattern
from norouter_core.exec_commands.templates import (
    INSTALL_IT,
    MAKE_EXECUTABLE,
    NO_SHELL_HINT,
    TRY_IT,
    TTY_MESSAGE,
)

_STARTERS = "env nice ionice nohup setsid timeout stdbuf exec doas"
_STARTER_LINE = (
    r"^(?:env|nice|ionice|nohup|setsid|timeout|stdbuf): .*?"
    r"(?<![\w./+-])(?P<missing>[\w./+-]+)[’'\"“»]?: "
)
_SHELL = f"(?P<missing>{'|'.join(sorted(SHELLS))})"

PROGRAMS = (
    # nsenter, ip, chroot and other programs of this machine.
    StderrPattern(
        ProblemKind.NO_SHELL,
        rf"^(?:nsenter: failed to execute (?:\S*/)?|chroot: .*\W){_SHELL}\W*: ",
        "`{missing}` not found {place}",
        NO_SHELL_HINT,
        instead="{beside}",
    ),
    StderrPattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"^nsenter: failed to execute (?P<missing>[^\s:]+): ",
        "`{missing}` not found {place}",
        INSTALL_IT,
        statuses=(127,),
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"^(?:nsenter|ip|unshare|chroot|setpriv): .*(?:Operation not permitted|Permission denied)"
        r"|^mount of /sys failed: Operation not permitted|^setting the network namespace ",
        "your user may not enter that namespace or root directory: {line}",
        "this needs root on that machine{or_sudo}",
        instead="{sudo}",
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^nsenter: .*?(?P<path>/proc/(?P<pid>\d+)/ns/\w+)",
        "the process {pid}, whose namespace the command enters, does not exist",
        "correct the process ID after `-t`, or name the namespace by a file (`--net=FILE`)",
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^nsenter: .*?(?P<path>/[^\s:'’»]+)|^Cannot open network namespace \"(?P<name>[^\"]+)\"",
        "the namespace {path}{name} does not exist",
        "list the namespaces with `ip netns list`, then correct the command",
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^chroot: ",
        "cannot enter the root directory {target}: {line}",
        "correct the directory in the command",
        statuses=(125,),
    ),
    # GNU and busybox: 127 is "no such program", 126 "cannot run it", in any language.
    StderrPattern(
        ProblemKind.COMMAND_NOT_FOUND,
        _STARTER_LINE,
        "`{missing}` not found {machine}",
        INSTALL_IT,
        printed_by=_STARTERS,
        statuses=(127,),
    ),
    StderrPattern(
        ProblemKind.NOT_EXECUTABLE,
        _STARTER_LINE,
        "cannot run `{missing}`: {line}",
        MAKE_EXECUTABLE,
        printed_by=_STARTERS,
        statuses=(126,),
    ),
    # Shells.
    StderrPattern(
        ProblemKind.NO_SHELL,
        r"This account is (?:currently )?not available|[Ii]nteractive git shell is not enabled"
        r"|This service allows sftp connections only|(?:shell|exec) request failed on channel",
        "{target} does not give this user a shell: {line}",
        "log in as a user who may run commands there",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.NO_SHELL,
        rf"(?:^|[\s:'\"/]){_SHELL}: (?:command )?not found$",
        "`{missing}` not found {place}",
        NO_SHELL_HINT,
        instead="{beside}",
        stages=(Stage.SHELL,),
        statuses=(127,),
    ),
    # Arguments and configuration.
    StderrPattern(
        ProblemKind.USAGE,
        r"^Cannot execute command-line and remote command",
        "ssh's configuration has a RemoteCommand for {target}, which leaves no room for `sh`",
        "add `-o RemoteCommand=none` after `ssh`",
        printed_by="ssh",
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"^ERROR: \([\w.-]+\) (?P<why>You do not currently have an active account selected)",
        "gcloud: {why}",
        "log in with `gcloud auth login`",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"^ERROR: \((?P<verb>gcloud[\w.-]+)\) unrecognized arguments: (?P<words>.+)",
        "{verb} takes `sh` for an argument of its own: {words}",
        "end the command with `--`: {plain} --",
        instead="{plain} --",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"^The machine with the name '(?P<name>[^']+)' was not found configured for",
        "Vagrant takes `{name}` for the name of a machine",
        "end the command with `--`, in the directory of the Vagrantfile: {plain} --",
        instead="{plain} --",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"^no configuration file provided",
        "this directory has no compose file",
        "name the project: add `--project-directory DIR` or `-f FILE` after `compose`",
        printed_by=ENGINES,
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"Bad configuration option|Can't open user config file|^usage: ssh"
        r"|^(?:unknown|illegal) option|terminating, \d+ bad configuration options|^Bad port ",
        "ssh rejected the command or its configuration: {line}",
        TRY_IT,
        printed_by="ssh",
        statuses=(255,),
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"is not supported anymore\. Use exec \[POD\] -- \[COMMAND\]",
        "{program} needs `--` between the pod and what runs there",
        "add `--`: {corrected}",
        instead="{corrected}",
        printed_by=KUBE,
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"context was not found for specified context: (?P<name>\S+)"
        r"|context \"(?P<docker_name>[^\"]+)\"(?: does not exist|: context not found)"
        r"|\"(?P<podman_name>[^\"]+)\" service destination not found"
        r"|The remote \"(?P<remote>[^\"]+)\" doesn't exist",
        "{program} has no context or remote `{name}{docker_name}{podman_name}{remote}`",
        "correct its name in the command",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"(?i)unknown (?:shorthand )?flag|unknown command|is not a \w+ command"
        r"|unrecognized command|flags cannot be placed before plugin name|must be specified$"
        r"|requires at least \d+ argument|doesn't have a resource type",
        "{program} rejected the command: {line}",
        TRY_IT,
        printed_by=f"{ENGINES} {KUBE} {LXD}",
        # An installed norouter refuses arguments in the same words.
        stages=(Stage.SHELL,),
    ),
    # cmd.exe speaks the user's language, but it always quotes the name.
    StderrPattern(
        ProblemKind.WINDOWS_SHELL,
        r"CommandNotFoundException|is not recognized as (?:the|a) name of a cmdlet"
        r"|^[^:]{0,40}[\"'«“„]sh[\"'»”“][^:]*$|^Microsoft Windows \[|^PS [A-Z]:\\",
        "{target} is a Windows host, and its shell knows no `sh`",
        "install norouter there (`norouter show-installer --platform windows-amd64`) and end the "
        "command with it, or lead it to a POSIX shell, such as that of WSL: {until_target} wsl",
        instead="{until_target} wsl",
        printed_by="ssh",
        stages=(Stage.SHELL,),
    ),
    # TTYs. kubectl goes on without the TTY that it misses, so this comes last.
    StderrPattern(
        ProblemKind.TTY,
        r"(?i)input device is not a TTY|not a terminal or the right kind of file"
        r"|provided file is not a console",
        TTY_MESSAGE,
        "{remove_tty}",
        instead="{corrected}",
    ),
)
