"""What ssh, clusters, sudo and doas print: host keys, logins, the network."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.exec_commands.stderr_patterns.base import KUBE, StderrPattern
from norouter_core.exec_commands.templates import INSTALL_IT, TRY_IT

_BY_HAND = (
    "make `{until_target} true` work in a shell without a prompt, for example with a key in "
    "ssh-agent"
)

LOGINS = (
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
        printed_by=KUBE,
    ),
    StderrPattern(
        ProblemKind.LOGIN_FAILED,
        r"\(Forbidden\): (?P<why>.+)|unable to upgrade connection: (?P<up>Forbidden.*)",
        "the cluster denied access: {why}{up}",
        "ask for the permissions `get` on pods and `create` on pods/exec",
        printed_by=KUBE,
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
        r"^sudo: \d+ incorrect password attempts?",
        "sudo refused the password",
        "restart the host to be asked again",
    ),
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
)
