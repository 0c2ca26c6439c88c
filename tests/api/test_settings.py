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


def test_no_page_may_call_unless_its_origin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_CORS_ORIGINS", raising=False)
    unset = Settings().allowed_origins()
    monkeypatch.setenv("COUNTERSIGN_CORS_ORIGINS", "https://a.example, http://localhost:3000")

    assert unset == []
    assert Settings().allowed_origins() == ["https://a.example", "http://localhost:3000"]


@pytest.mark.parametrize("origin", ["a.example", "https://a.example/", "https://a.example/chat", "ftp://a.example"])
def test_what_is_no_origin_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("COUNTERSIGN_CORS_ORIGINS", f"https://b.example,{origin}")

    with pytest.raises(ValueError, match="COUNTERSIGN_CORS_ORIGINS"):
        Settings()


@pytest.mark.parametrize("secret", ["plain", "whsec_c2hvcnQ=", "whsec_no base64"])
def test_what_cannot_sign_the_banks_events_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("BANKING_WEBHOOK_SECRET", secret)

    with pytest.raises(ValueError, match="BANKING_WEBHOOK_SECRET"):
        Settings()
