"""What container engines and kubectl print."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns.base import ENGINES, KUBE, LXD, StderrPattern
from norouter_core.exec_commands.templates import NO_SHELL_HINT

_REACH_DOCKER = (
    "give your user access to that socket (join the group that owns it and log in again){or_sudo}"
)
_START_ENGINE = "start the engine, or check which address the command uses (`{base} version`)"

CONTAINERS = (
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
        printed_by=LXD,
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
        printed_by=ENGINES,
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
        printed_by=KUBE,
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^Error: (?:Failed to fetch instance .*|Instance not found|not found)",
        "the instance `{target}` does not exist",
        "{find}",
        printed_by=LXD,
    ),
    StderrPattern(
        ProblemKind.NO_SUCH_IMAGE,
        r"No such image: (?P<name>\S+?)\.?$|Error: (?P<podman_name>\S+): image not known",
        "the image `{target}` does not exist",
        "build or pull it first; `{base} images` lists the images",
        printed_by=ENGINES,
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
        printed_by=KUBE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"The connection to the server (?P<server>\S+) was refused",
        "the cluster's API server at {server} refuses connections",
        "check that the cluster is running and that this is the right context: "
        "`{program} config get-contexts`",
        printed_by=KUBE,
    ),
    StderrPattern(
        ProblemKind.ENGINE_DOWN,
        r"Unable to connect to the server: (?P<why>.+)|error dialing backend: (?P<back>.+)",
        "cannot reach the cluster's API server: {why}{back}",
        "check the network (a VPN?) and the context: `{program} config get-contexts`",
        printed_by=KUBE,
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
        printed_by=KUBE,
    ),
)
