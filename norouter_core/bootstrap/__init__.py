"""How an agent comes up behind an exec command.

A `Bootstrap` (in `base`) turns a command's bare stdio into an agent that has said hello. Each
kind of agent has a file with its own:

- `python_agent` sends the agent over the pipe to any Python that a bare shell finds, or to the one
  that the command itself runs;
- `native_agent` sends the native agent to a shell, which needs no Python;
- `auto_agent` takes the first of these two that the host can run;
- `copied_agent` has a container engine copy the native agent into a container without a shell;
- `installed_agent` meets a `norouter agent --automated` that is installed on the host.

To add a kind of agent, write a class with `argv` and `start` in a file of its own. `Exchange`
sends, searches the output and reads the hello; the class decides what is sent and in which order,
and reports each `Stage` that it reaches. Then give it a mode (`AgentMode` in
`norouter_core.model`), let `plan_start` and `bootstrap_for` choose it, and name its stages: `Stage`
in `norouter_core.exec_commands.problem`, with their texts in `rules`, in the supervisor and in the
screen's dialog that shows how a host connects. Everything above the hello (requests, streams,
heartbeat) stays as it is.

`native_program` finds or builds the program of the native agent (`agent-go`).
"""

from __future__ import annotations

from norouter_core.bootstrap.auto_agent import AutoAgent
from norouter_core.bootstrap.base import Bootstrap
from norouter_core.bootstrap.copied_agent import CopiedAgent
from norouter_core.bootstrap.installed_agent import InstalledAgent
from norouter_core.bootstrap.native_agent import NativeAgent
from norouter_core.bootstrap.python_agent import InterpreterAgent, PythonAgent
from norouter_core.exec_commands.command import StartPlan
from norouter_core.model import AgentMode
from norouter_core.timing import Timing


def bootstrap_for(plan: StartPlan, timing: Timing) -> Bootstrap:
    """Return the bootstrap that brings up the agent of a start plan."""
    if plan.container is not None:
        return CopiedAgent(plan.argv, plan.container, timing)
    if plan.mode is AgentMode.NOROUTER:
        return InstalledAgent(plan.argv, timing, tentative=plan.tentative)
    if plan.interpreter:
        return InterpreterAgent(plan.argv, timing)
    if plan.mode is AgentMode.NATIVE:
        return NativeAgent(plan.argv, timing)
    if plan.mode is AgentMode.PYTHON:
        return PythonAgent(plan.argv, timing, python=plan.python)
    return AutoAgent(plan.argv, timing)
