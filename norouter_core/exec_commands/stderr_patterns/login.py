"""What ssh and clusters say when they do not let one in, or are not there."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, stderr_pattern

_KUBE = "kubectl oc"
_BY_HAND = "make `{ssh} true` work by hand without a question asked (a key in an agent, say)"

HOST_KEYS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.HOST_KEY,
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key for (?P<host>\S+) has changed",
        "the host key of {target} has CHANGED since you last connected",
        "find out why before anything else (a new installation, or someone in between); "
        "only then forget the old key with `ssh-keygen -R '{host_or_target}'` and connect by hand",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.HOST_KEY,
        r"^Host key verification failed|No \S+ host key is known for",
        "the host key of {target} is unknown here, and nobody can be asked about it",
        "connect once by hand (`{asking}`), compare the fingerprint and answer yes",
        about="ssh",
    ),
)

LOGINS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"Load key \"(?P<key>[^\"]+)\": bad permissions",
        "ssh ignores the key {key}, for others can read it; the login failed",
        "make it yours alone: chmod 600 {key}",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"Too many authentication failures",
        "{target} gave up after too many keys were tried",
        "name the right key: add `-o IdentitiesOnly=yes -i KEYFILE` after `ssh`",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"Permission denied \((?P<methods>[\w@.,-]+)\)",
        "{target} refused the login (it would accept: {methods})",
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
        "the cluster does not know who you are",
        "log in to it anew, and check with `{program} auth whoami`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.LOGIN_FAILED,
        r"\(Forbidden\): (?P<why>.+)|unable to upgrade connection: (?P<up>Forbidden.*)",
        "the cluster does not allow it: {why}{up}",
        "have yourself granted `get` on pods and `create` on pods/exec there",
        printed_by=_KUBE,
    ),
)

NETWORK: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"ssh: connect to host (?P<host>\S+) port (?P<port>\d+): (?P<why>[^\r\n]+)",
        "{host} cannot be reached on port {port}: {why}",
        "check that the host is up, that sshd listens on that port, and the network between",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"ssh: Could not resolve hostname (?P<host>\S+?): (?P<why>[^\r\n]+)",
        "the name {host} cannot be resolved: {why}",
        "check its spelling, your ~/.ssh/config, and the network",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"exec: (?P<missing>[^\s:]+): not found",
        "`{missing}` (ssh's ProxyCommand) is not found on this machine",
        "install it, or correct ProxyCommand in the command or in ~/.ssh/config",
        printed_by="ssh",
        statuses=(255,),
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"^Unable to negotiate with (?P<host>\S+) port \d+: (?P<why>.+)",
        "{host} and the ssh here have no common way to talk: {why}",
        "bring the older side up to date, or allow the algorithm it offers with `-o`",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"timed out during banner exchange|^Connection to \S+ port \d+ timed out"
        r"|^Timeout, server \S+ not responding",
        "{target} does not answer: {line}",
        "check that it is an ssh server, is up, and the network between",
        about="ssh",
    ),
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"^kex_exchange_identification|^ssh_exchange_identification|^ssh_dispatch_run_fatal"
        r"|^Connection (?:closed|reset) by|^client_loop: |^stdio forwarding failed"
        r"|^Received disconnect from|^channel \d+: open failed",
        "the connection to {target} was cut: {line}",
        "check that sshd there is well and lets you in (MaxStartups, firewalls, a jump host)",
        about="ssh",
        statuses=(255,),
    ),
)

USAGE: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.USAGE,
        r"Bad configuration option|Can't open user config file|^usage: ssh"
        r"|^(?:unknown|illegal) option|terminating, \d+ bad configuration options|^Bad port ",
        "ssh does not understand the command or its configuration: {line}",
        "try it by hand in a shell: {run}",
        printed_by="ssh",
        statuses=(255,),
    ),
)

NO_LOGIN_SHELL: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"This account is (?:currently )?not available|[Ii]nteractive git shell is not enabled"
        r"|This service allows sftp connections only|(?:shell|exec) request failed on channel",
        "{target} gives this user no shell: {line}",
        "log in as a user who may run commands there",
        about="ssh",
    ),
)
