"""Settings come from the names the README lists, and from no other variable that happens to be set."""

from pathlib import Path

import pytest

from api.settings import Settings


def test_variables_of_other_programs_set_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COUNTERSIGN_HOME", raising=False)
    for name in ("HOME", "HOST", "TENANT", "CONFIG", "LOG_LEVEL", "POOL_SIZE"):
        monkeypatch.setenv(name, "/elsewhere")

    settings = Settings()

    assert settings.home == Path(".countersign")
    assert (settings.host, settings.tenant, settings.config) == ("127.0.0.1", "demo", None)


def test_short_bootstrap_key_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_BOOTSTRAP_KEY", "short")

    with pytest.raises(ValueError, match="COUNTERSIGN_BOOTSTRAP_KEY"):
        Settings()
