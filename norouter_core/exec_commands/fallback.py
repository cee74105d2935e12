"""How a host is started when its first plan has failed: what else may work there.

A manifest of NoRouter names a `norouter` on every host. If there is none, an old one or NoRouter's
own, a bare shell in its place gets an agent of this version. `sh` replaces a `bash` or the like
that is missing. A container without a shell gets a copy. If all of this fails, an installed agent
that was only slow, or of another version, gets a second chance.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from norouter_core.exec_commands.command import (
    EngineContainer,
    ExecCommand,
    Layer,
    StartPlan,
    is_shell,
    plan_shell_instead,
    program_name,
)
from norouter_core.exec_commands.problem import LOGIN_PROBLEMS, HostProblem, ProblemKind, Stage
from norouter_core.model import AgentMode

_COPYING = ("docker", "podman", "nerdctl")


_NO_AGENT = frozenset(
    {
        ProblemKind.NOROUTER_MISSING,
        ProblemKind.NOROUTER_REFUSED,
        ProblemKind.NOROUTER_GO,
        ProblemKind.NOROUTER_VERSION,
        ProblemKind.NOT_EXECUTABLE,
        ProblemKind.PROTOCOL,
        ProblemKind.TIMEOUT,
    }
)
"""What goes wrong with an installed agent and not with the command that leads to it."""

_NO_PYTHON = frozenset(
    {ProblemKind.NO_PYTHON, ProblemKind.PYTHON_TOO_OLD, ProblemKind.PYTHON_INCOMPLETE}
)
_NO_INTERPRETER = _NO_PYTHON | {ProblemKind.COMMAND_NOT_FOUND, ProblemKind.NOT_EXECUTABLE}
"""What goes wrong with a Python that a command runs, and not with the command."""

_NO_PROGRAM = frozenset({ProblemKind.NO_SHELL, ProblemKind.COMMAND_NOT_FOUND})

_SECOND_CHANCE = frozenset(
    {ProblemKind.NOROUTER_GO, ProblemKind.NOROUTER_VERSION, ProblemKind.TIMEOUT}
)
"""The problems of a tentative start that a longer wait, or less insistence, may avoid: a slow
login, an agent that lacks something on a host that has no shell."""

_LOST_CONNECTION = 255
"""The exit status of an ssh that did not reach its host, or lost it."""


def next_plan(
    plan: StartPlan, stage: Stage, problem: HostProblem, mode: AgentMode
) -> StartPlan | None:
    """Return the plan to try after a plan that failed in `stage`; None if there is no other."""
    if problem.kind in LOGIN_PROBLEMS:
        return None
    if plan.tentative:
        return _without_norouter(plan, stage, problem)
    if plan.interpreter and mode is AgentMode.AUTO:
        return _without_python(plan, stage, problem)
    return _plain_sh(plan, stage, problem) or _copying(plan, stage, problem, mode) or plan.otherwise


def suggest_native_agent(
    plan: StartPlan, stage: Stage, problem: HostProblem, mode: AgentMode
) -> HostProblem:
    """Return the problem of a host that has no other plan; if only `agent: python` rules out the
    native agent, the hint says so.
    """
    if mode is not AgentMode.PYTHON or plan.python:
        return problem
    lacks_python = problem.kind in _NO_PYTHON
    if not lacks_python and _copying(plan, stage, problem, AgentMode.AUTO) is None:
        return problem
    advice = "remove `agent: python`, so that norouter sends its native agent"
    return replace(problem, hint=f"{advice}; otherwise {problem.hint}")


def _without_norouter(plan: StartPlan, stage: Stage, problem: HostProblem) -> StartPlan | None:
    if stage is not Stage.HELLO or problem.kind not in _NO_AGENT:
        return None
    if problem.exit_status == _LOST_CONNECTION:
        return None
    again = replace(plan, tentative=False, purpose="waiting longer for the installed norouter")
    instead = plan_shell_instead(plan)
    return replace(
        instead,
        otherwise=again if problem.kind in _SECOND_CHANCE else None,
        purpose=f"sending an agent instead: {shlex.join(instead.argv)}",
    )


def _without_python(plan: StartPlan, stage: Stage, problem: HostProblem) -> StartPlan | None:
    if stage is not Stage.INTERPRETER or problem.kind not in _NO_INTERPRETER:
        return None
    if _lacks_program(plan, problem):
        return None
    instead = plan_shell_instead(plan)
    return replace(instead, purpose=f"starting a shell instead: {shlex.join(instead.argv)}")


def _plain_sh(plan: StartPlan, stage: Stage, problem: HostProblem) -> StartPlan | None:
    """Return a plan with `sh` in place of another shell that is missing."""
    shell = plan.argv[-1]
    if stage is not Stage.SHELL or not is_shell(shell) or program_name(shell) == "sh":
        return None
    if problem.kind not in _NO_PROGRAM or problem.exit_status in (None, _LOST_CONNECTION):
        return None
    if f"`{shell}`" not in problem.message:
        return None  # Another program of the command is missing.
    return replace(plan, argv=(*plan.argv[:-1], "sh"), purpose="starting `sh` in its place")


def _copying(
    plan: StartPlan, stage: Stage, problem: HostProblem, mode: AgentMode
) -> StartPlan | None:
    sends_native = mode in (AgentMode.AUTO, AgentMode.NATIVE) and not plan.python
    if not sends_native or stage is not Stage.SHELL:
        return None
    if (
        problem.kind not in _NO_PROGRAM
        or problem.exit_status is None
        or _lacks_program(plan, problem)
    ):
        return None
    container = engine_container(plan.argv)
    if container is None:
        return None
    return StartPlan(
        plan.argv,
        AgentMode.NATIVE,
        container=container,
        purpose="copying the native agent into the container",
        otherwise=plan.otherwise,
    )


def _lacks_program(plan: StartPlan, problem: HostProblem) -> bool:
    """Return whether the engine itself is missing on a remote host, as found by its shell."""
    found = ExecCommand.parse(plan.argv).program_not_found(problem.stderr)
    return problem.exit_status == 127 and found is not None


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
