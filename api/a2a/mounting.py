"""Whether A2A is served. Its SDK is imported where it is switched on, and nowhere else."""

from starlette.routing import Route

from api.settings import Settings


def mounted(settings: Settings) -> list[Route]:
    """Raises SystemExit if it is switched on and not installed."""
    if not settings.a2a:
        return []
    try:
        from api.a2a.endpoint import routes
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("api"):
            raise
        raise SystemExit(
            f"COUNTERSIGN_A2A is on, but {exc.name} is not installed: pip install 'countersign[a2a]'"
        ) from exc
    return routes(settings.reached_at)
