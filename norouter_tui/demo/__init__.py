"""`norouter demo`: three simulated hosts on this machine, joined and checked."""

from __future__ import annotations

from norouter_tui.exit_codes import ExitCode


def run_demo(*, uvloop: bool = True) -> ExitCode:
    """Run the demo; return `MESH_FAILED` if a check failed."""
    from norouter_tui.demo.story import tell_story
    from norouter_tui.run.process import run_async

    return run_async(tell_story, uvloop=uvloop)
