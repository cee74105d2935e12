"""What docker, podman, nerdctl, compose, kubectl, oc, lxc and incus say when they fail."""

from __future__ import annotations

from norouter_core.exec_commands.problem import ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, stderr_pattern

_ENGINES = "docker podman nerdctl compose docker-compose podman-compose"
_KUBE = "kubectl oc"
_LXD = "lxc incus"

_REACH_DOCKER = (
    "let your user reach that socket (join the group that owns it and log in again), "
    "or put `sudo -n` in front: {sudo}"
)
_START_ENGINE = "start the engine, or check where the command looks for it (`{base} version`)"
_LOOK = "look at what is there with `{list}`, and correct the name in the command"

MISSING_PROGRAMS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NOROUTER_MISSING,
        r"""exec: [\\"]*(?P<missing>(?:[^\s\\"]*/)?norouter)[\\"]*: """
        r".{0,300}(?:not found|no such file)",
        "there is no `{missing}` {place}",
        "{no_norouter}",
    ),
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"""exec: [\\"]*(?P<missing>(?:[^\s\\"]*/)?sh)[\\"]*: """,
        "there is no `sh` to run {place}",
        "a POSIX `sh` and a Python are needed there: use an image that has them, or aim at another "
        "container of the same network (a sidecar)",
    ),
    stderr_pattern(
        ProblemKind.NO_SHELL,
        r"^Error: Command not found",
        "there is no `sh` to run {place}",
        "a POSIX `sh` and a Python are needed there",
        printed_by=_LXD,
        stages=(Stage.SHELL,),
    ),
    stderr_pattern(
        ProblemKind.COMMAND_NOT_FOUND,
        r"""exec: [\\"]*(?P<missing>[^\s"\\]+)[\\"]*: """
        r".{0,300}(?:not found in \$PATH|no such file)",
        "there is no `{missing}` {place}",
        "give the command up to the {noun} only; `sh` is appended to it: {base} ...",
    ),
)

WRONG_WORDS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.USAGE,
        r"unable to find (?P<what>user|group) (?P<name>[^\s:]+)",
        "there is no {what} `{name}` {place}",
        "correct the name after `-u` in the command",
    ),
    stderr_pattern(
        ProblemKind.USAGE,
        r"chdir to cwd \(\"(?P<folder>[^\"]+)\"\)",
        "there is no folder {folder} {place}",
        "correct the folder after `-w` in the command",
    ),
)

PERMISSIONS: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"permission denied while trying to connect to .{0,100} at (?:unix://)?(?P<socket>[^\s:]+)",
        "your user may not talk to the container engine at {socket}",
        _REACH_DOCKER,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"dial unix (?P<socket>\S+): connect: permission denied",
        "your user may not talk to the engine at {socket}",
        _REACH_DOCKER,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"cannot access containerd socket \"(?P<socket>[^\"]+)\".{0,200}permission denied",
        "your user may not talk to the container engine at {socket}",
        _REACH_DOCKER,
    ),
    stderr_pattern(
        ProblemKind.PERMISSION_DENIED,
        r"cannot set ?up namespace using",
        "podman cannot make a user namespace for your user: {line}",
        "give your user ranges in /etc/subuid and /etc/subgid, then run `podman system migrate`",
        printed_by="podman",
    ),
)

ABSENT: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"(?i)no such container: (?P<name>\S+)",
        "there is no container `{name}`",
        _LOOK,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"no container with name or ID \"?(?P<name>[^\s\"]+)\"? found",
        "there is no container `{name}`",
        _LOOK,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"no such service: (?P<name>\S+)",
        "the compose project has no service `{name}`",
        _LOOK,
        printed_by=_ENGINES,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"\(NotFound\): (?P<what>\S+?)s? \"(?P<name>[^\"]+)\" not found",
        "the cluster has no {what} `{name}` in this namespace",
        "look at what is there with `{list}`; another namespace is named with `-n NAMESPACE`",
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"container (?P<name>\S+) (?:is not valid for|not found in) pod (?P<pod>\S+)",
        "the pod {pod} has no container `{name}`",
        "`{start}` names its containers; correct `-c {name}`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_CONTAINER,
        r"^Error: (?:Failed to fetch instance .*|Instance not found|not found)",
        "there is no instance `{target}`",
        _LOOK,
        printed_by=_LXD,
    ),
    stderr_pattern(
        ProblemKind.NO_SUCH_IMAGE,
        r"No such image: (?P<name>\S+?)\.?$|Error: (?P<podman_name>\S+): image not known",
        "the engine has no image `{target}`",
        "build or pull it first (`{base} images` lists what is there)",
        printed_by=_ENGINES,
    ),
)

NOT_RUNNING: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)\bcontainer \S+ is paused|instance is frozen|in a paused state",
        "the {noun} `{target}` is paused",
        "let it go on: {resume}",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"(?i)\bcontainer \S+ is restarting",
        "the {noun} `{target}` is just restarting",
        "it is tried again by itself; if it restarts for ever, see `{base} logs {target}`",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"container state improper",
        "the {noun} `{target}` is stopped or paused",
        "start it ({start}) or let it go on ({resume})",
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
        "aim at a running pod: {list}",
    ),
    stderr_pattern(
        ProblemKind.CONTAINER_NOT_RUNNING,
        r"unable to upgrade connection: container not found \(\"(?P<name>[^\"]+)\"\)"
        r"|pod \S+ does not have a host assigned|container \S+ in pod \S+ is (?:not|waiting)",
        "the container of the pod `{target}` is not running: {line}",
        "see why with `{start}`",
    ),
)

ENGINE_DOWN: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"Cannot connect to the Docker daemon at (?P<socket>\S+?)\.? Is",
        "the Docker engine does not answer at {socket}",
        _START_ENGINE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"failed to connect to the docker API at (?P<socket>[^\s;]+)",
        "the Docker engine does not answer at {socket}",
        _START_ENGINE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"[Uu]nable to connect to Podman|^Cannot connect to Podman",
        "podman's machine or socket does not answer",
        "start it (`podman machine start`, or `systemctl --user start podman.socket`), "
        "and see `podman system connection list`",
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"cannot access containerd socket|rootless containerd not running",
        "containerd does not answer: {line}",
        _START_ENGINE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"dial unix (?P<socket>\S+): connect: |daemon doesn't appear to be started",
        "the engine behind `{program}` does not answer",
        "start its service, or check where the command looks for its socket",
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"x509: (?P<why>.+)",
        "the server's certificate is not accepted: {why}",
        "mend the cluster's certificate-authority in your kubeconfig (`{base} config view`)",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"The connection to the server (?P<server>\S+) was refused",
        "the cluster's API server at {server} refuses connections",
        "check that the cluster runs and that this is the right context: "
        "`{program} config get-contexts`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"Unable to connect to the server: (?P<why>.+)|error dialing backend: (?P<back>.+)",
        "the cluster's API server cannot be reached: {why}{back}",
        "check the network (a VPN?) and the context: `{program} config get-contexts`",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.ENGINE_DOWN,
        r"error during connect: (?P<why>.+)",
        "the Docker engine cannot be reached: {why}",
        _START_ENGINE,
    ),
)

CUT: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.UNREACHABLE,
        r"websocket: close 1006|error reading from error stream|lost connection to pod",
        "the connection to the pod `{target}` was cut: {line}",
        "see that the node is well: {list}",
        printed_by=_KUBE,
    ),
)

NOT_A_TTY: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.TTY,
        r"(?i)input device is not a TTY|not a terminal or the right kind of file"
        r"|provided file is not a console",
        "the command asks for a terminal, and a link is none",
        "{untty}",
    ),
)

USAGE: tuple[StderrPattern, ...] = (
    stderr_pattern(
        ProblemKind.USAGE,
        r"is not supported anymore\. Use exec \[POD\] -- \[COMMAND\]",
        "{program} wants `--` between the pod and what is run there",
        "end the command with `--`: {plain} --",
        printed_by=_KUBE,
    ),
    stderr_pattern(
        ProblemKind.USAGE,
        r"context was not found for specified context: (?P<name>\S+)"
        r"|context \"(?P<docker_name>[^\"]+)\"(?: does not exist|: context not found)"
        r"|\"(?P<podman_name>[^\"]+)\" service destination not found"
        r"|The remote \"(?P<remote>[^\"]+)\" doesn't exist",
        "{program} knows no context or remote `{name}{docker_name}{podman_name}{remote}`",
        "correct its name in the command",
    ),
    stderr_pattern(
        ProblemKind.USAGE,
        r"(?i)unknown (?:shorthand )?flag|unknown command|is not a \w+ command"
        r"|unrecognized command|flags cannot be placed before plugin name|must be specified$"
        r"|requires at least \d+ argument|doesn't have a resource type",
        "{program} does not understand the command: {line}",
        "try it by hand in a shell: {run}",
        printed_by=f"{_ENGINES} {_KUBE} {_LXD}",
        # An installed norouter words its refusals so too.
        stages=(Stage.SHELL,),
    ),
)
