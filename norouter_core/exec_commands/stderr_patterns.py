"""What known programs print when they fail, and what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from norouter_core.exec_commands.command import SHELLS, ExecCommand
from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.templates import (
    INSTALL_IT,
    MAKE_EXECUTABLE,
    NO_SHELL_HINT,
    TRY_IT,
    TTY_MESSAGE,
)

_ENGINES = "docker podman nerdctl compose docker-compose podman-compose"
_KUBE = "kubectl oc"
_LXD = "lxc incus"
_STARTERS = "env nice ionice nohup setsid timeout stdbuf exec doas"

_STARTER_LINE = (
    r"^(?:env|nice|ionice|nohup|setsid|timeout|stdbuf): .*?"
    r"(?<![\w./+-])(?P<missing>[\w./+-]+)[’'\"“»]?: "
)
_SHELL = f"(?P<missing>{'|'.join(sorted(SHELLS))})"
_BY_HAND = (
    "make `{until_target} true` work in a shell without a prompt, for example with a key in "
    "ssh-agent"
)
_REACH_DOCKER = (
    "give your user access to that socket (join the group that owns it and log in again){or_sudo}"
)
_START_ENGINE = "start the engine, or check which address the command uses (`{base} version`)"


@dataclass(frozen=True, slots=True)
class StderrPattern:
    """A line that explains why a start failed.

    A hostile host may have written the line that `pattern` is searched in. No two repeating parts
    of it may match the same text, or one line could take quadratic time.
    """

    kind: ProblemKind
    pattern: str
    message: str
    """A template over the pattern's named groups and `templates.template_values`."""
    hint: str
    """A template as well."""
    instead: str = ""
    """A template of a command to use instead."""
    printed_by: str = ""
    """The programs that print it, separated by spaces; empty if the text is unmistakable."""
    about: str = ""
    """The programs whose target it is about; empty for those that print it, or the innermost."""
    stages: tuple[Stage, ...] = ()
    """The stages in which it counts; empty for all."""
    statuses: tuple[int, ...] = ()
    """The exit statuses with which it counts; empty for all."""

    def applies_to(self, command: ExecCommand, stage: Stage, status: int | None) -> bool:
        """Return whether the row counts for this failure."""
        return (
            command.may_run(frozenset(self.printed_by.split()))
            and (not self.stages or stage in self.stages)
            and (not self.statuses or status in self.statuses)
        )


def find_match(
    lines: Sequence[str], command: ExecCommand, stage: Stage, status: int | None
) -> tuple[StderrPattern, re.Match[str]] | None:
    """Return the first row that applies and matches a line, and the last match."""
    for candidate in STDERR_PATTERNS:
        if candidate.applies_to(command, stage, status):
            for line in reversed(lines):
                if match := re.search(candidate.pattern, line):
                    return candidate, match
    return None


STDERR_PATTERNS = (
    # ssh and clusters: host keys and logins.
    StderrPattern(
        ProblemKind.HOST_KEY,
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key for (?P<host>\S+) has changed",
        "the host key of {target} has CHANGED since you last connected",
        "find out why first (a reinstalled host, or an attack); only then remove the old key with "
        "`ssh-keygen -R '{host_or_target}'` and connect once in a shell",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.HOST_KEY,
        r"^Host key verification failed|No \S+ host key is known for",
        "the host key of {target} is unknown, and norouter cannot confirm it",
        "connect once in a shell (`{interactive}`), compare the fingerprint and answer yes",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"Load key \"(?P<key>[^\"]+)\": bad permissions",
        "ssh ignored the key {key}, which other users can read, and the login failed",
        "make it readable only for you: chmod 600 {key}",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"Too many authentication failures",
        "{target} closed the connection after too many keys",
        "select the right key: add `-o IdentitiesOnly=yes -i KEYFILE` after `ssh`",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"Permission denied \((?P<methods>[\w@.,-]+)\)",
        "{target} refused the login (it accepts: {methods})",
        _BY_HAND,
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"^Permission denied, please try again",
        "{target} refused the password",
        _BY_HAND,
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"must be logged in to the server|unable to upgrade connection: Unauthorized"
        r"|error reading input for Password",
        "the cluster does not accept your credentials",
        "log in again, then check with `{program} auth whoami`",
        printed_by=_KUBE,
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"\(Forbidden\): (?P<why>.+)|unable to upgrade connection: (?P<up>Forbidden.*)",
        "the cluster denied access: {why}{up}",
        "ask for the permissions `get` on pods and `create` on pods/exec",
        printed_by=_KUBE,
    ),
    # ssh: the network.
    StderrPattern(
        ProblemKind.UNREACHABLE,
        r"ssh: connect to host (?P<host>\S+) port (?P<port>\d+): (?P<why>[^\r\n]+)",
        "cannot reach {host} on port {port}: {why}",
        "check that the host is up, that sshd listens on that port, and the network in between",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.UNREACHABLE,
        r"ssh: Could not resolve hostname (?P<host>\S+?): (?P<why>[^\r\n]+)",
        "cannot resolve the name {host}: {why}",
        "check its spelling, your ~/.ssh/config, and the network",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"exec: (?P<missing>[^\s:]+): not found",
        "`{missing}` (ssh's ProxyCommand) not found on this machine",
        "install it, or correct ProxyCommand in the command or in ~/.ssh/config",
        printed_by="ssh",
        statuses=(255,),
    ),
    StderrPattern(
        ProblemKind.UNREACHABLE,
        r"^Unable to negotiate with (?P<host>\S+) port \d+: (?P<why>.+)",
        "{host} and the local ssh have no algorithm in common: {why}",
        "update the older side, or allow an algorithm that it offers with `-o`",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.UNREACHABLE,
        r"timed out during banner exchange|^Connection to \S+ port \d+ timed out"
        r"|^Timeout, server \S+ not responding",
        "{target} does not respond: {line}",
        "check that an ssh server runs there, and the network in between",
        about="ssh",
    ),
    StderrPattern(
        ProblemKind.UNREACHABLE,
        r"^kex_exchange_identification|^ssh_exchange_identification|^ssh_dispatch_run_fatal"
        r"|^Connection (?:closed|reset) by|^client_loop: |^stdio forwarding failed"
        r"|^Received disconnect from|^channel \d+: open failed",
        "lost the connection to {target}: {line}",
        "check sshd there, and what may block you (MaxStartups, a firewall, a jump host)",
        about="ssh",
        statuses=(255,),
    ),
    # sudo and doas.
    StderrPattern(
        ProblemKind.SUDO_PASSWORD,
        r"^sudo: a password is required|^sudo: a terminal is required|no tty present and no askpass"
        r"|^\[sudo\] |^Sorry, try again|^doas: Authentication |^doas: a tty is required",
        "{elevator} asks for a password, which norouter cannot enter",
        "allow this command without a password (sudo: `NOPASSWD:` in sudoers; doas: `permit "
        "nopass`), or join a group that needs no {elevator}",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"^(?:su|runuser): user (?P<name>\S+) does not exist",
        "the user `{name}` does not exist there",
        "correct the name in the command",
        printed_by="su runuser",
    ),
    StderrPattern(
        ProblemKind.SUDO_PASSWORD,
        r"(?:^|: )su: (?P<why>[^:]+)$",
        "su asks for a password, which norouter cannot enter: {why}",
        "switch the user with `sudo -n -u USER`, allowed without a password (`NOPASSWD:` in "
        "sudoers)",
        printed_by="su",
        statuses=(1,),
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"^sudo: sorry, you must have a tty",
        "sudo is configured to require a TTY (requiretty)",
        "set `Defaults !requiretty` for your user in sudoers",
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"is not allowed to execute|is not in the sudoers file|is not allowed to run sudo"
        r"|^doas: Operation not permitted|^doas: doas is not enabled",
        "{elevator} refused: {line}",
        "allow the command for your user, or remove `{elevator}` from it",
    ),
    # The words after the program's name are in the user's language, so only their shape counts.
    StderrPattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"^(?:sudo|doas): (?P<missing>[^\s:]+): [^:]+$",
        "{elevator} cannot find `{missing}`",
        INSTALL_IT,
        printed_by="sudo doas",
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"^sudo: (?!unable to resolve host)(?P<why>.+)",
        "sudo refused: {why}",
        TRY_IT,
        printed_by="sudo",
        statuses=(1,),
    ),
    # Container engines and kubectl: what is missing in the container.
    StderrPattern(
        ProblemKind.NOROUTER_MISSING,
        r"""exec: [\\"]*(?P<missing>(?:[^\s\\"]*/)?norouter)[\\"]*: """
        r".{0,300}(?:not found|no such file)",
        "`{missing}` not found {place}",
        "{without_norouter}",
    ),
    StderrPattern(
        ProblemKind.NO_SHELL,
        r"""exec: [\\"]*(?P<missing>(?:[^\s\\"]*/)?sh)[\\"]*: """,
        "`{missing}` not found {place}",
        NO_SHELL_HINT,
        instead="{beside}",
    ),
    StderrPattern(
        ProblemKind.NO_SHELL,
        r"^Error: Command not found",
        "`{shell}` not found {place}",
        NO_SHELL_HINT,
        instead="{beside}",
        printed_by=_LXD,
        stages=(Stage.SHELL,),
    ),
    StderrPattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"""exec: [\\"]*(?P<missing>[^\s"\\]+)[\\"]*: """
        r".{0,300}(?:not found in \$PATH|no such file)",
        "`{missing}` not found {place}",
        "end the command after the {noun}; norouter appends `sh` to it: {until_target}",
        instead="{until_target}",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"unable to find (?P<what>user|group) (?P<name>[^\s:]+)",
        "the {what} `{name}` does not exist {place}",
        "correct the name after `-u` in the command",
    ),
    StderrPattern(
        ProblemKind.USAGE,
        r"chdir to cwd \(\"(?P<directory>[^\"]+)\"\)",
        "the directory {directory} does not exist {place}",
        "correct the directory after `-w` in the command",
    ),
    # Container engines: permissions.
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"permission denied while trying to connect to .{0,100} at (?:unix://)?(?P<socket>[^\s:]+)",
        "your user may not access the container engine at {socket}",
        _REACH_DOCKER,
        instead="{sudo}",
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"dial unix (?P<socket>\S+): connect: permission denied",
        "your user may not access the engine at {socket}",
        _REACH_DOCKER,
        instead="{sudo}",
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"cannot access containerd socket \"(?P<socket>[^\"]+)\".{0,200}permission denied",
        "your user may not access the container engine at {socket}",
        _REACH_DOCKER,
        instead="{sudo}",
    ),
    StderrPattern(
        ProblemKind.PERMISSION_DENIED,
        r"cannot set ?up namespace using",
        "podman cannot create a user namespace for your user: {line}",
        "add ranges for your user to /etc/subuid and /etc/subgid, then run `podman system migrate`",
        printed_by="podman",
    ),
    # Containers, pods, services and images that do not exist.
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"(?i)no such container: (?P<name>\S+)",
        "the container `{name}` does not exist",
        "{find}",
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"no container with name or ID \"?(?P<name>[^\s\"]+)\"? found",
        "the container `{name}` does not exist",
        "{find}",
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"no such service: (?P<name>\S+)",
        "the compose project has no service `{name}`",
        "{find}",
        printed_by=_ENGINES,
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"\(NotFound\): (?P<what>\S+?)s? \"(?P<name>[^\"]+)\" not found",
        "the cluster has no {what} `{name}` in this namespace",
        "{find}; select another namespace with `-n NAMESPACE`",
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"container (?P<name>\S+) (?:is not valid for|not found in) pod (?P<pod>\S+)",
        "the pod {pod} has no container `{name}`",
        "correct `-c {name}`; `{start}` lists the containers of the pod",
        printed_by=_KUBE,
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^Error: (?:Failed to fetch instance .*|Instance not found|not found)",
        "the instance `{target}` does not exist",
        "{find}",
        printed_by=_LXD,
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_IMAGE,
        r"No such image: (?P<name>\S+?)\.?$|Error: (?P<podman_name>\S+): image not known",
        "the image `{target}` does not exist",
        "build or pull it first; `{base} images` lists the images",
        printed_by=_ENGINES,
    ),
    # Containers and pods that do not run.
    StderrPattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)\bcontainer \S+ is paused|instance is frozen|in a paused state",
        "the {noun} `{target}` is paused",
        "{resume_it}",
    ),
    StderrPattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)\bcontainer \S+ is restarting",
        "the {noun} `{target}` is restarting",
        "norouter retries by itself; if it keeps restarting, see `{base} logs {target}`",
    ),
    StderrPattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"container state improper",
        "the {noun} `{target}` is stopped or paused",
        "{start_it}; if it is paused, {resume_it}",
    ),
    StderrPattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)^error.*\b(?:container|instance) (?:\S+ )?is not running|no running task found"
        r"|in a stopped state|service \"[^\"]+\" is not running",
        "the {noun} `{target}` is not running",
        "{start_it}",
    ),
    StderrPattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"into a container in a completed pod; current phase is (?P<phase>\w+)",
        "the pod `{target}` has ended (phase {phase})",
        "use a running pod; to list them: {list}",
    ),
    StderrPattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"unable to upgrade connection: container not found \(\"(?P<name>[^\"]+)\"\)"
        r"|pod \S+ does not have a host assigned|container \S+ in pod \S+ is (?:not|waiting)",
        "the container of the pod `{target}` is not running: {line}",
        "to see why: {start}",
    ),
    # Engines and clusters that do not respond.
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"Cannot connect to the Docker daemon at (?P<socket>\S+?)\.? Is",
        "the Docker engine does not respond at {socket}",
        _START_ENGINE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"failed to connect to the docker API at (?P<socket>[^\s;]+)",
        "the Docker engine does not respond at {socket}",
        _START_ENGINE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"[Uu]nable to connect to Podman|^Cannot connect to Podman",
        "the podman machine or socket does not respond",
        "start it (`podman machine start`, or `systemctl --user start podman.socket`), "
        "and check `podman system connection list`",
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"cannot access containerd socket|rootless containerd not running",
        "containerd does not respond: {line}",
        _START_ENGINE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"dial unix (?P<socket>\S+): connect: |daemon doesn't appear to be started",
        "the engine behind `{program}` does not respond",
        "start its service, or check which socket the command uses",
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"x509: (?P<why>.+)",
        "the server's certificate was rejected: {why}",
        "correct the certificate-authority in your kubeconfig (`{base} config view`)",
        printed_by=_KUBE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"The connection to the server (?P<server>\S+) was refused",
        "the cluster's API server at {server} refuses connections",
        "check that the cluster is running and that this is the right context: "
        "`{program} config get-contexts`",
        printed_by=_KUBE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"Unable to connect to the server: (?P<why>.+)|error dialing backend: (?P<back>.+)",
        "cannot reach the cluster's API server: {why}{back}",
        "check the network (a VPN?) and the context: `{program} config get-contexts`",
        printed_by=_KUBE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"error during connect: (?P<why>.+)",
        "cannot reach the Docker engine: {why}",
        _START_ENGINE,
    ),
    StderrPattern(
        ProblemKind.UNREACHABLE,
        r"websocket: close 1006|error reading from error stream|lost connection to pod",
        "lost the connection to the pod `{target}`: {line}",
        "check the pod and its node: {list}",
        printed_by=_KUBE,
    ),
    # nsenter, ip, chroot and other programs of this machine.
    StderrPattern(
        ProblemKind.NO_SHELL,
        rf"^(?:nsenter: failed to execute (?:\S*/)?|chroot: .*\W){_SHELL}\W*: ",
        "`{missing}` not found {place}",
        NO_SHELL_HINT,
        instead="{beside}",
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
        "`{missing}` not found on this machine",
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
        printed_by=_ENGINES,
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
        printed_by=_KUBE,
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
        printed_by=f"{_ENGINES} {_KUBE} {_LXD}",
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
"""Every pattern in the order in which they are tried: a cause before its consequences."""
