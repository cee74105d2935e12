"""How a host is started when its first plan has failed: what else may work there."""

from __future__ import annotations

import shlex

from norouter_core.exec_commands.command import (
    EngineContainer,
    ExecCommand,
    Layer,
    StartPlan,
    is_shell,
)
from norouter_core.exec_commands.problem import HostProblem, ProblemKind, Stage
from norouter_core.model import AgentMode

_COPYING = ("docker", "podman", "nerdctl")
_NOT_FOUND = (126, 127)


def next_plan(
    plan: StartPlan, stage: Stage, problem: HostProblem, mode: AgentMode
) -> StartPlan | None:
    """Return the plan to try after a plan that failed in `stage`; None if there is no other."""
    if mode not in (AgentMode.AUTO, AgentMode.NATIVE) or stage is not Stage.SHELL:
        return None
    missing = problem.kind in (ProblemKind.NO_SHELL, ProblemKind.COMMAND_NOT_FOUND)
    if not missing or problem.exit_status not in _NOT_FOUND:
        return None
    container = engine_container(plan.argv)
    if container is None:
        return None
    purpose = "copying the native agent into the container"
    return StartPlan(plan.argv, installed=False, container=container, purpose=purpose)


def engine_container(argv: tuple[str, ...]) -> EngineContainer | None:
    """Return the container in which a planned command runs nothing but a shell, if its engine can
    copy files into it.
    """
    command = ExecCommand.parse(argv)
    layer = command.layers[-1] if command.layers else None
    if layer is None or layer.program not in _COPYING or command.words[layer.verb_at] != "exec":
        return None
    tail = command.words[layer.end :]
    if len(tail) > 1 or not is_shell(argv[-1]) or (tail and not is_shell(tail[0])):
        return None
    joining = [x for x in command.layers if x.grammar.joins_words]
    reads_tar = layer.program != "nerdctl"
    if joining and not reads_tar:
        return None  # Its `cp` takes a file, which is not on that machine.
    users = layer.given(("-u", "--user"))
    return EngineContainer(
        engine=_engine_words(command, layer, joining),
        name=layer.target,
        exec=argv[:-1],
        user=users[-1].value if users else "",
        reads_tar=reads_tar,
    )


def _engine_words(command: ExecCommand, layer: Layer, joining: list[Layer]) -> tuple[str, ...]:
    """Return the words up to the engine's verb, quoted for every shell that splits them again."""
    words = list(command.words[: layer.verb_at])
    if words[-1] == "container":
        words.pop()
    for outer in joining:
        words[outer.end :] = [shlex.quote(word) for word in words[outer.end :]]
    return tuple(words)
