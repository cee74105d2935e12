"""What ssh and clusters print when they refuse a login or cannot be reached."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, stderr_pattern
from norouter_core.exec_commands.templates import TRY_IT

_KUBE = "kubectl oc"
_BY_HAND = "make `{ssh} true` work in a shell without a prompt, for example with a key in ssh-agent"

HOST_KEYS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.HOST_KEY,
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key for (?P<host>\S+) has changed",
        "the host key of {target} has CHANGED since you last connected",
        "find out why first (a reinstalled host, or an attack); only then remove the old key with "
        "`ssh-keygen -R '{host_or_target}'` and connect once in a shell",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.HOST_KEY,
        r"^Host key verification failed|No \S+ host key is known for",
        "the host key of {target} is unknown, and norouter cannot confirm it",
        "connect once in a shell (`{interactive}`), compare the fingerprint and answer yes",
        about="ssh",
    ),
)

LOGINS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"Load key \"(?P<key>[^\"]+)\": bad permissions",
        "ssh ignored the key {key}, which other users can read, and the login failed",
        "make it readable only for you: chmod 600 {key}",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"Too many authentication failures",
        "{target} closed the connection after too many keys",
        "select the right key: add `-o IdentitiesOnly=yes -i KEYFILE` after `ssh`",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"Permission denied \((?P<methods>[\w@.,-]+)\)",
        "{target} refused the login (it accepts: {methods})",
        _BY_HAND,
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"^Permission denied, please try again",
        "{target} refused the password",
        _BY_HAND,
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"must be logged in to the server|unable to upgrade connection: Unauthorized"
        r"|error reading input for Password",
        "the cluster does not accept your credentials",
        "log in again, then check with `{program} auth whoami`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"\(Forbidden\): (?P<why>.+)|unable to upgrade connection: (?P<up>Forbidden.*)",
        "the cluster denied access: {why}{up}",
        "ask for the permissions `get` on pods and `create` on pods/exec",
        printed_by=_KUBE,
    ),
)

NETWORK: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"ssh: connect to host (?P<host>\S+) port (?P<port>\d+): (?P<why>[^\r\n]+)",
        "cannot reach {host} on port {port}: {why}",
        "check that the host is up, that sshd listens on that port, and the network in between",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"ssh: Could not resolve hostname (?P<host>\S+?): (?P<why>[^\r\n]+)",
        "cannot resolve the name {host}: {why}",
        "check its spelling, your ~/.ssh/config, and the network",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"exec: (?P<missing>[^\s:]+): not found",
        "`{missing}` (ssh's ProxyCommand) not found on this machine",
        "install it, or correct ProxyCommand in the command or in ~/.ssh/config",
        printed_by="ssh",
        statuses=(255,),
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"^Unable to negotiate with (?P<host>\S+) port \d+: (?P<why>.+)",
        "{host} and the local ssh have no algorithm in common: {why}",
        "update the older side, or allow an algorithm that it offers with `-o`",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"timed out during banner exchange|^Connection to \S+ port \d+ timed out"
        r"|^Timeout, server \S+ not responding",
        "{target} does not respond: {line}",
        "check that an ssh server runs there, and the network in between",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"^kex_exchange_identification|^ssh_exchange_identification|^ssh_dispatch_run_fatal"
        r"|^Connection (?:closed|reset) by|^client_loop: |^stdio forwarding failed"
        r"|^Received disconnect from|^channel \d+: open failed",
        "lost the connection to {target}: {line}",
        "check sshd there, and what may block you (MaxStartups, a firewall, a jump host)",
        about="ssh",
        statuses=(255,),
    ),
)

USAGE: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.USAGE,
        r"Bad configuration option|Can't open user config file|^usage: ssh"
        r"|^(?:unknown|illegal) option|terminating, \d+ bad configuration options|^Bad port ",
        "ssh rejected the command or its configuration: {line}",
        TRY_IT,
        printed_by="ssh",
        statuses=(255,),
    ),
)

NO_LOGIN_SHELL: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"This account is (?:currently )?not available|[Ii]nteractive git shell is not enabled"
        r"|This service allows sftp connections only|(?:shell|exec) request failed on channel",
        "{target} does not give this user a shell: {line}",
        "log in as a user who may run commands there",
        about="ssh",
    ),
)
