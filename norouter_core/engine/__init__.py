"""The engine: `apply(spec)`, `status()`, events; one supervisor per host, the relay, the policy."""

from norouter_core.engine.bus import Subscription
from norouter_core.engine.engine import Engine, MeshFailed
from norouter_core.engine.tap import Tap, TapBuffer, TapError
from norouter_core.timing import Timing

__all__ = ["TapError", "Engine", "MeshFailed", "Subscription", "Tap", "TapBuffer", "Timing"]
