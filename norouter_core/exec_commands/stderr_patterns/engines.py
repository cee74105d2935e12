"""What docker, podman, nerdctl, compose, kubectl, oc, lxc and incus print when they fail."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, stderr_pattern
from norouter_core.exec_commands.templates import NEEDS_SHELL, TRY_IT, TTY_MESSAGE

_ENGINES = "docker podman nerdctl compose docker-compose podman-compose"
_KUBE = "kubectl oc"
_LXD = "lxc incus"

_REACH_DOCKER = (
    "give your user access to that socket (join the group that owns it and log in again), "
    "or prefix the command with `sudo -n`: {sudo}"
)
_START_ENGINE = "start the engine, or check which address the command uses (`{base} version`)"
_LIST = "list what exists with `{list}`, then correct the name in the command"

MISSING_PROGRAMS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NOROUTER_MISSING,
        r"""exec: [\\"]*(?P<missing>(?:[^\s\\"]*/)?norouter)[\\"]*: """
        r".{0,300}(?:not found|no such file)",
        "`{missing}` not found {place}",
        "{without_norouter}",
    ),
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"""exec: [\\"]*(?P<missing>(?:[^\s\\"]*/)?sh)[\\"]*: """,
        "`sh` not found {place}",
        f"{NEEDS_SHELL}: use an image that has them, or another container in the same network "
        "(a sidecar)",
    ),
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"^Error: Command not found",
        "`sh` not found {place}",
        NEEDS_SHELL,
        printed_by=_LXD,
        stages=(Stage.SHELL,),
    ),
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"""exec: [\\"]*(?P<missing>[^\s"\\]+)[\\"]*: """
        r".{0,300}(?:not found in \$PATH|no such file)",
        "`{missing}` not found {place}",
        "end the command after the {noun}; norouter appends `sh` to it: {base} ...",
    ),
)

WRONG_WORDS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.USAGE,
        r"unable to find (?P<what>user|group) (?P<name>[^\s:]+)",
        "the {what} `{name}` does not exist {place}",
        "correct the name after `-u` in the command",
    ),
    stderr_pattern(
        ProblemKind.USAGE,
        r"chdir to cwd \(\"(?P<directory>[^\"]+)\"\)",
        "the directory {directory} does not exist {place}",
        "correct the directory after `-w` in the command",
    ),
)

PERMISSIONS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"permission denied while trying to connect to .{0,100} at (?:unix://)?(?P<socket>[^\s:]+)",
        "your user may not access the container engine at {socket}",
        _REACH_DOCKER,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"dial unix (?P<socket>\S+): connect: permission denied",
        "your user may not access the engine at {socket}",
        _REACH_DOCKER,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"cannot access containerd socket \"(?P<socket>[^\"]+)\".{0,200}permission denied",
        "your user may not access the container engine at {socket}",
        _REACH_DOCKER,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"cannot set ?up namespace using",
        "podman cannot create a user namespace for your user: {line}",
        "add ranges for your user to /etc/subuid and /etc/subgid, then run `podman system migrate`",
        printed_by="podman",
    ),
)

ABSENT: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"(?i)no such container: (?P<name>\S+)",
        "the container `{name}` does not exist",
        _LIST,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"no container with name or ID \"?(?P<name>[^\s\"]+)\"? found",
        "the container `{name}` does not exist",
        _LIST,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"no such service: (?P<name>\S+)",
        "the compose project has no service `{name}`",
        _LIST,
        printed_by=_ENGINES,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"\(NotFound\): (?P<what>\S+?)s? \"(?P<name>[^\"]+)\" not found",
        "the cluster has no {what} `{name}` in this namespace",
        "list what exists with `{list}`; select another namespace with `-n NAMESPACE`",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"container (?P<name>\S+) (?:is not valid for|not found in) pod (?P<pod>\S+)",
        "the pod {pod} has no container `{name}`",
        "correct `-c {name}`; `{start}` lists the containers of the pod",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^Error: (?:Failed to fetch instance .*|Instance not found|not found)",
        "the instance `{target}` does not exist",
        _LIST,
        printed_by=_LXD,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_IMAGE,
        r"No such image: (?P<name>\S+?)\.?$|Error: (?P<podman_name>\S+): image not known",
        "the image `{target}` does not exist",
        "build or pull it first; `{base} images` lists the images",
        printed_by=_ENGINES,
    ),
)

NOT_RUNNING: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)\bcontainer \S+ is paused|instance is frozen|in a paused state",
        "the {noun} `{target}` is paused",
        "resume it: {resume}",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)\bcontainer \S+ is restarting",
        "the {noun} `{target}` is restarting",
        "norouter retries by itself; if it keeps restarting, see `{base} logs {target}`",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"container state improper",
        "the {noun} `{target}` is stopped or paused",
        "start it ({start}) or resume it ({resume})",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)^error.*\b(?:container|instance) (?:\S+ )?is not running|no running task found"
        r"|in a stopped state|service \"[^\"]+\" is not running",
        "the {noun} `{target}` is not running",
        "start it: {start}",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"into a container in a completed pod; current phase is (?P<phase>\w+)",
        "the pod `{target}` has ended (phase {phase})",
        "use a running pod; to list them: {list}",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"unable to upgrade connection: container not found \(\"(?P<name>[^\"]+)\"\)"
        r"|pod \S+ does not have a host assigned|container \S+ in pod \S+ is (?:not|waiting)",
        "the container of the pod `{target}` is not running: {line}",
        "to see why: {start}",
    ),
)

ENGINE_DOWN: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"Cannot connect to the Docker daemon at (?P<socket>\S+?)\.? Is",
        "the Docker engine does not respond at {socket}",
        _START_ENGINE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"failed to connect to the docker API at (?P<socket>[^\s;]+)",
        "the Docker engine does not respond at {socket}",
        _START_ENGINE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"[Uu]nable to connect to Podman|^Cannot connect to Podman",
        "the podman machine or socket does not respond",
        "start it (`podman machine start`, or `systemctl --user start podman.socket`), "
        "and check `podman system connection list`",
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"cannot access containerd socket|rootless containerd not running",
        "containerd does not respond: {line}",
        _START_ENGINE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"dial unix (?P<socket>\S+): connect: |daemon doesn't appear to be started",
        "the engine behind `{program}` does not respond",
        "start its service, or check which socket the command uses",
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"x509: (?P<why>.+)",
        "the server's certificate was rejected: {why}",
        "correct the certificate-authority in your kubeconfig (`{base} config view`)",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"The connection to the server (?P<server>\S+) was refused",
        "the cluster's API server at {server} refuses connections",
        "check that the cluster is running and that this is the right context: "
        "`{program} config get-contexts`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"Unable to connect to the server: (?P<why>.+)|error dialing backend: (?P<back>.+)",
        "cannot reach the cluster's API server: {why}{back}",
        "check the network (a VPN?) and the context: `{program} config get-contexts`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"error during connect: (?P<why>.+)",
        "cannot reach the Docker engine: {why}",
        _START_ENGINE,
    ),
)

DISCONNECTED: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"websocket: close 1006|error reading from error stream|lost connection to pod",
        "lost the connection to the pod `{target}`: {line}",
        "check the pod and its node: {list}",
        printed_by=_KUBE,
    ),
)

NOT_A_TTY: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.TTY,
        r"(?i)input device is not a TTY|not a terminal or the right kind of file"
        r"|provided file is not a console",
        TTY_MESSAGE,
        "{remove_tty}",
    ),
)

USAGE: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.USAGE,
        r"is not supported anymore\. Use exec \[POD\] -- \[COMMAND\]",
        "{program} needs `--` between the pod and what runs there",
        "end the command with `--`: {plain} --",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.USAGE,
        r"context was not found for specified context: (?P<name>\S+)"
        r"|context \"(?P<docker_name>[^\"]+)\"(?: does not exist|: context not found)"
        r"|\"(?P<podman_name>[^\"]+)\" service destination not found"
        r"|The remote \"(?P<remote>[^\"]+)\" doesn't exist",
        "{program} has no context or remote `{name}{docker_name}{podman_name}{remote}`",
        "correct its name in the command",
    ),
    stderr_pattern(
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
)
