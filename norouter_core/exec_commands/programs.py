"""How the words of the known exec programs are read: options, verbs, targets. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class ProgramGrammar:
    """What has to be known of a program to find its target, and what it does with stdio.

    `values` are the options whose value is the next word. `verbs` are the words between the
    program and its `targets` target words. `switch` names another grammar that a verb leads to.
    `tty` are the options that make a terminal (`tty_times` of them are needed), `no_tty` those
    one of which is needed so that none is made; `stdin` those one of which is needed for stdin to
    be passed on, `deaf` those that cut it off. `interspersed`: options may follow the target.
    `dashes`: `--` has to part the target from what is run there.
    `joins`: the words after the target are joined and split again by a shell, as `ssh` does.
    """

    noun: str = ""
    values: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    targets: int = 0
    target_options: tuple[str, ...] = ()
    switch: dict[str, str] = field(default_factory=dict)
    tty: frozenset[str] = frozenset()
    tty_times: int = 1
    no_tty: tuple[str, ...] = ()
    stdin: tuple[str, ...] = ()
    deaf: frozenset[str] = frozenset()
    interspersed: bool = False
    joins: bool = False
    assignments: bool = False
    dashes: bool = False
    list: str = ""
    """The command line that lists what is there, with `{base}`; `start`, `resume` alike."""
    start: str = ""
    resume: str = ""


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
    values=_ENGINE_VALUES,
    verbs=_words("container exec run"),
    targets=1,
    switch={"compose": "compose"},
    tty=_words("-t --tty"),
    stdin=("-i", "--interactive"),
    deaf=_words("-d --detach"),
    list="{base} ps -a",
    start="{base} start {target}",
    resume="{base} unpause {target}",
)

_COMPOSE = ProgramGrammar(
    noun="service",
    values=_words(
        "-f --file -p --project-name --profile --env-file --project-directory --ansi --progress "
        "--parallel -e --env -u --user -w --workdir --index"
    ),
    verbs=_words("exec run"),
    targets=1,
    no_tty=("-T", "--no-TTY", "--no-tty"),
    deaf=_words("-d --detach"),
    list="{base} ps -a",
    start="{base} up -d {target}",
    resume="{base} unpause {target}",
)

_KUBE = ProgramGrammar(
    noun="pod",
    values=_words(
        "-n --namespace --context --cluster --user --kubeconfig -s --server --token --as "
        "--as-group --as-uid --certificate-authority --client-certificate --client-key "
        "--request-timeout --tls-server-name --username --password --cache-dir -v -c --container "
        "-f --filename --pod-running-timeout --profile --profile-output --image"
    ),
    verbs=_words("exec"),
    targets=1,
    tty=_words("-t --tty"),
    stdin=("-i", "--stdin"),
    interspersed=True,
    dashes=True,
    list="{base} get pods",
    start="{base} describe pod {target}",
    resume="{base} describe pod {target}",
)

_LXD = ProgramGrammar(
    noun="instance",
    values=_words("--cwd --env --group --user --mode --project"),
    verbs=_words("exec"),
    targets=1,
    tty=_words("-t --force-interactive"),
    deaf=_words("-n --disable-stdin"),
    interspersed=True,
    list="{base} list",
    start="{base} start {target}",
    resume="{base} start {target}",
)

_SSH = ProgramGrammar(
    noun="host",
    values=_words("-B -b -c -D -E -e -F -I -i -J -L -l -m -O -o -P -p -Q -R -S -W -w"),
    targets=1,
    tty=_words("-t"),
    tty_times=2,
    deaf=_words("-n -f -N"),
    interspersed=True,
    joins=True,
)

GRAMMARS: dict[str, ProgramGrammar] = {
    "docker": _ENGINE,
    "podman": _ENGINE,
    "nerdctl": _ENGINE,
    "compose": _COMPOSE,
    "docker-compose": _COMPOSE,
    "podman-compose": _COMPOSE,
    "kubectl": _KUBE,
    "oc": _KUBE,
    "k3s": ProgramGrammar(switch={"kubectl": "kubectl"}, targets=1),
    "lxc": _LXD,
    "incus": _LXD,
    "ssh": _SSH,
    "nsenter": ProgramGrammar(
        noun="namespace",
        values=_words("-t --target -S --setuid -G --setgid"),
        target_options=("--net", "--target", "-t", "-n", "--mount", "--pid"),
    ),
    "ip": ProgramGrammar(
        noun="namespace",
        values=_words("-n -netns"),
        verbs=_words("netns exec"),
        targets=1,
        list="{base} list",
    ),
    "chroot": ProgramGrammar(noun="root folder", targets=1),
    "sudo": ProgramGrammar(
        values=_words(
            "-u --user -g --group -h --host -p --prompt -C --close-from -D --chdir "
            "-R --chroot -r --role -t --type -T --command-timeout -U --other-user"
        ),
        assignments=True,
    ),
    "doas": ProgramGrammar(values=_words("-u -C -a")),
    "env": ProgramGrammar(
        values=_words("-u --unset -C --chdir -S --split-string"), assignments=True
    ),
    "nice": ProgramGrammar(values=_words("-n --adjustment")),
    "ionice": ProgramGrammar(values=_words("-c --class -n --classdata")),
    "timeout": ProgramGrammar(values=_words("-k --kill-after -s --signal"), targets=1),
    "stdbuf": ProgramGrammar(values=_words("-i --input -o --output -e --error")),
    "setpriv": ProgramGrammar(values=_words("--reuid --regid --groups --inh-caps --ambient-caps")),
    "unshare": ProgramGrammar(values=_words("-S --setuid -G --setgid -R --root -w --wd")),
    "sshpass": ProgramGrammar(values=_words("-p -f -d -P")),
    "nohup": ProgramGrammar(),
    "setsid": ProgramGrammar(),
    "exec": ProgramGrammar(),
}
"""Every program whose words are understood, by its name without folder and `.exe`."""
