"""The exec programs that norouter knows: how to read their arguments, what they do with stdio, and
how to list what they lead to. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class ProgramGrammar:
    """What has to be known of a program to find its target, and what it does with stdio."""

    noun: str = ""
    """What a target is; empty for programs that stay on this machine, such as `sudo`."""
    value_options: frozenset[str] = frozenset()
    """Options whose value is the next word."""
    verbs: frozenset[str] = frozenset()
    """Words between the program and its target."""
    targets: int = 0
    """How many words name the target."""
    target_options: tuple[str, ...] = ()
    """Options that name the target instead."""
    subprograms: dict[str, str] = field(default_factory=dict)
    """Verbs that lead to another grammar, by its name."""
    tty_options: frozenset[str] = frozenset()
    """Options that allocate a TTY, if `tty_count` of them are given."""
    tty_count: int = 1
    no_tty_options: tuple[str, ...] = ()
    """For a program that allocates a TTY by default: options that prevent it."""
    stdin_options: tuple[str, ...] = ()
    """For a program that does not pass stdin on by default: options that make it."""
    no_stdin_options: frozenset[str] = frozenset()
    """Options that cut stdin off."""
    shell_options: frozenset[str] = frozenset()
    """For a program that passes what follows its target to a shell: the options that name a command
    or another mode.
    """
    interspersed: bool = False
    """Options may follow the target."""
    joins_words: bool = False
    """A shell splits the words after the target again, as behind `ssh`."""
    assignments: bool = False
    """`NAME=VALUE` may stand before the command."""
    interactive: dict[str, str] = field(default_factory=dict)
    """Verbs that start a shell of their own, and the verb to use instead."""
    needs_dashes: bool = False
    """`--` has to stand between the target and what runs there."""
    list: str = ""
    """The command line that lists the targets, with `{base}` for the program and its options."""
    start: str = ""
    """The command line that starts a target, or shows why it does not run."""
    resume: str = ""
    """The command line that lets a paused target continue."""
    beside: str = ""
    """What, after the program and its options, leads to another container in the network of a
    target, with `{target}` and, for Kubernetes, `{container}`.
    """
    names: tuple[str, ...] = ()
    """Arguments that print a target and a few words about it on each line, for discovery."""


_ENGINE_VALUES = _words(
    "-H --host -c --context --config -l --log-level --tlscacert --tlscert --tlskey "
    "-e --env --env-file -u --user -w --workdir --detach-keys --name --network --net -v --volume "
    "-p --publish --entrypoint -h --hostname --mount --add-host --dns --dns-option --dns-opt "
    "--pull --platform --memory -m --cpus --label --ulimit --cap-add --cap-drop --security-opt "
    "--restart --url --connection --identity --root --runroot --storage-driver --cgroup-manager "
    "--runtime --namespace -n --address -a --preserve-fds --pod"
)

_ENGINE = ProgramGrammar(
    noun="container",
    value_options=_ENGINE_VALUES,
    verbs=_words("container exec run"),
    targets=1,
    subprograms={"compose": "compose", "machine": "podman-machine"},
    tty_options=_words("-t --tty"),
    stdin_options=("-i", "--interactive"),
    no_stdin_options=_words("-d --detach"),
    list="{base} ps -a",
    start="{base} start {target}",
    resume="{base} unpause {target}",
    beside="run -i --rm --network container:{target} busybox",
    names=("ps", "--format", "{{.Names}}\t{{.Image}}"),
)

_COMPOSE = ProgramGrammar(
    noun="service",
    value_options=_words(
        "-f --file -p --project-name --profile --env-file --project-directory --ansi --progress "
        "--parallel -e --env -u --user -w --workdir --index"
    ),
    verbs=_words("exec run"),
    targets=1,
    no_tty_options=("-T", "--no-TTY", "--no-tty"),
    no_stdin_options=_words("-d --detach"),
    list="{base} ps -a",
    start="{base} up -d {target}",
    resume="{base} unpause {target}",
)

_POD_COLUMNS = "custom-columns=NAME:.metadata.name,STATE:.status.phase"

_KUBE = ProgramGrammar(
    noun="pod",
    value_options=_words(
        "-n --namespace --context --cluster --user --kubeconfig -s --server --token --as "
        "--as-group --as-uid --certificate-authority --client-certificate --client-key "
        "--request-timeout --tls-server-name --username --password --cache-dir -v -c --container "
        "-f --filename --pod-running-timeout --profile --profile-output --image "
        "--target --env --copy-to"
    ),
    verbs=_words("exec debug"),
    targets=1,
    tty_options=_words("-t --tty"),
    stdin_options=("-i", "--stdin"),
    interspersed=True,
    needs_dashes=True,
    list="{base} get pods",
    start="{base} describe pod {target}",
    resume="{base} describe pod {target}",
    beside="debug -i -q {target} --image=busybox{container} --",
    names=("get", "pods", "--no-headers", "-o", _POD_COLUMNS),
)

_LXD = ProgramGrammar(
    noun="instance",
    value_options=_words("--cwd --env --group --user --mode --project"),
    verbs=_words("exec shell"),
    interactive={"shell": "exec"},
    targets=1,
    tty_options=_words("-t --force-interactive"),
    no_stdin_options=_words("-n --disable-stdin"),
    interspersed=True,
    list="{base} list",
    start="{base} start {target}",
    resume="{base} start {target}",
    names=("list", "--format", "csv", "-c", "n"),
)

_SSH = ProgramGrammar(
    noun="host",
    value_options=_words("-B -b -c -D -E -e -F -I -i -J -L -l -m -O -o -P -p -Q -R -S -W -w"),
    targets=1,
    tty_options=_words("-t"),
    tty_count=2,
    no_stdin_options=_words("-n -f -N"),
    interspersed=True,
    joins_words=True,
)

_SU = ProgramGrammar(
    value_options=_words(
        "-c --command --session-command -g --group -G --supp-group -s --shell -u --user "
        "-w --whitelist-environment"
    ),
    targets=1,
    tty_options=_words("-P --pty"),
    shell_options=_words("-c --command --session-command"),
    interspersed=True,
)

_LAUNCHERS = {
    "podman-machine": ProgramGrammar(
        noun="machine", value_options=_words("--username"), verbs=_words("ssh"), joins_words=True
    ),
    "crictl": ProgramGrammar(
        noun="container",
        value_options=_words("-r --runtime-endpoint --image-endpoint --timeout -c --config"),
        verbs=_words("exec"),
        targets=1,
        tty_options=_words("-t --tty"),
        stdin_options=("-i", "--interactive"),
        list="{base} ps -a",
    ),
    "gcloud": ProgramGrammar(
        noun="host",
        value_options=_words(
            "--zone --project --account --configuration --ssh-key-file --ssh-flag --command "
            "--strict-host-key-checking --container --verbosity --impersonate-service-account"
        ),
        verbs=_words("alpha beta compute ssh"),
        targets=1,
        interspersed=True,
        joins_words=True,
        needs_dashes=True,
    ),
    "az": ProgramGrammar(
        noun="host",
        value_options=_words(
            "-n --name --vm-name -g --resource-group --ip --hostname --subscription -p --port "
            "--local-user --private-key-file -i --public-key-file --certificate-file"
        ),
        verbs=_words("ssh vm"),
        target_options=("-n", "--name", "--vm-name", "--ip", "--hostname"),
        joins_words=True,
        needs_dashes=True,
    ),
    "vagrant": ProgramGrammar(
        noun="machine",
        value_options=_words("-c --command"),
        verbs=_words("ssh"),
        targets=1,
        interspersed=True,
        joins_words=True,
        needs_dashes=True,
    ),
    "colima": ProgramGrammar(
        noun="machine",
        value_options=_words("-p --profile"),
        verbs=_words("ssh"),
        target_options=("-p", "--profile"),
        needs_dashes=True,
    ),
    "limactl": ProgramGrammar(
        noun="instance",
        value_options=_words("--workdir --shell --log-level --log-format"),
        verbs=_words("shell"),
        targets=1,
        list="{base} list",
        start="{base} start {target}",
    ),
    "multipass": ProgramGrammar(
        noun="instance",
        value_options=_words("-d --working-directory"),
        verbs=_words("exec shell"),
        targets=1,
        interspersed=True,
        interactive={"shell": "exec"},
        list="{base} list",
        start="{base} start {target}",
    ),
    "toolbox": ProgramGrammar(
        noun="container",
        value_options=_words("-c --container -d --distro -r --release"),
        verbs=_words("run"),
        target_options=("-c", "--container"),
        list="{base} list",
    ),
    "distrobox": ProgramGrammar(
        noun="container",
        value_options=_words("-n --name -a --additional-flags"),
        verbs=_words("enter"),
        targets=1,
        interspersed=True,
        needs_dashes=True,
        list="{base} list",
    ),
    "pct": ProgramGrammar(
        noun="container",
        value_options=_words("--keep-env"),
        verbs=_words("exec enter"),
        targets=1,
        interspersed=True,
        interactive={"enter": "exec"},
        needs_dashes=True,
        list="{base} list",
        start="{base} start {target}",
    ),
    "jexec": ProgramGrammar(noun="jail", value_options=_words("-u -U -d -e"), targets=1),
    "adb": ProgramGrammar(
        noun="device",
        value_options=_words("-s -t -H -P -L"),
        verbs=_words("shell"),
        target_options=("-s",),
        tty_options=_words("--tty"),
        no_stdin_options=_words("-n"),
        joins_words=True,
        list="{base} devices",
    ),
    "wsl": ProgramGrammar(
        noun="distribution",
        value_options=_words("-d --distribution -u --user --cd --shell-type"),
        target_options=("-d", "--distribution"),
        list="{base} --list",
    ),
}
"""Launchers of virtual machines, phones and containers that are not pasted every day."""

GRAMMARS: dict[str, ProgramGrammar] = {
    "docker": _ENGINE,
    "podman": _ENGINE,
    "nerdctl": _ENGINE,
    "lxc": _LXD,
    "incus": _LXD,
    "compose": _COMPOSE,
    "docker-compose": _COMPOSE,
    "podman-compose": _COMPOSE,
    "kubectl": _KUBE,
    "oc": replace(
        _KUBE,
        verbs=_KUBE.verbs | {"rsh"},
        interactive={"rsh": "exec"},
        names=(),  # It lists the pods that kubectl lists.
    ),
    "k3s": ProgramGrammar(subprograms={"kubectl": "kubectl"}, targets=1),
    "ssh": _SSH,
    "nsenter": ProgramGrammar(
        noun="namespace",
        value_options=_words("-t --target -S --setuid -G --setgid"),
        target_options=("--net", "--target", "-t", "-n", "--mount", "--pid"),
    ),
    "ip": ProgramGrammar(
        noun="namespace",
        value_options=_words("-n -netns"),
        verbs=_words("netns exec"),
        targets=1,
        list="{base} list",
    ),
    "chroot": ProgramGrammar(noun="root directory", targets=1),
    "sudo": ProgramGrammar(
        value_options=_words(
            "-u --user -g --group -h --host -p --prompt -C --close-from -D --chdir "
            "-R --chroot -r --role -t --type -T --command-timeout -U --other-user"
        ),
        assignments=True,
    ),
    "su": _SU,
    "runuser": replace(_SU, shell_options=_SU.shell_options | _words("-u --user")),
    "doas": ProgramGrammar(value_options=_words("-u -C -a")),
    "env": ProgramGrammar(
        value_options=_words("-u --unset -C --chdir -S --split-string"), assignments=True
    ),
    "nice": ProgramGrammar(value_options=_words("-n --adjustment")),
    "ionice": ProgramGrammar(value_options=_words("-c --class -n --classdata")),
    "timeout": ProgramGrammar(value_options=_words("-k --kill-after -s --signal"), targets=1),
    "stdbuf": ProgramGrammar(value_options=_words("-i --input -o --output -e --error")),
    "setpriv": ProgramGrammar(
        value_options=_words("--reuid --regid --groups --inh-caps --ambient-caps")
    ),
    "unshare": ProgramGrammar(value_options=_words("-S --setuid -G --setgid -R --root -w --wd")),
    "sshpass": ProgramGrammar(value_options=_words("-p -f -d -P")),
    "nohup": ProgramGrammar(),
    "setsid": ProgramGrammar(),
    "exec": ProgramGrammar(),
    **_LAUNCHERS,
}
"""Every known program, by its name without directory and `.exe`."""

LOCAL = _words(
    "docker podman nerdctl lxc incus compose docker-compose podman-compose nsenter ip chroot "
    "sudo doas nice ionice timeout stdbuf setpriv unshare nohup setsid exec"
)
"""Programs whose targets are on this machine."""
REMOTE_OPTIONS = _words("-H --host -c --context --url --connection --remote")
"""Options of engines that lead to another machine."""
