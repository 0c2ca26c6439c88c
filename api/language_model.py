"""The language model that the settings name, ready to be asked; opened at its first question, not before."""

from api.settings import Settings
from db.errors import CountersignError
from tools.model import OpenAIModel, Prices
from tools.model_calls import Limits
from tools.model_client import ModelClient

USD_MICROS = 1_000_000
NO_KEY = "none"
"""Servers at home ask for no key, and the protocol's client does."""


def opened_model(settings: Settings) -> OpenAIModel | None:
    """None: COUNTERSIGN_MODEL is unset. Raises CountersignError for a model that nobody could reach."""
    name, key = settings.language_model, settings.openai_api_key
    if not name:
        return None
    if key is None and settings.openai_base_url is None:
        raise CountersignError("COUNTERSIGN_MODEL is set, and neither OPENAI_API_KEY nor OPENAI_BASE_URL is")
    secret = NO_KEY if key is None else key.get_secret_value()
    return OpenAIModel(
        client=ModelClient(name, settings.openai_base_url, secret, settings.model_timeout_s),
        per_run=_limits(settings.model_run_calls, settings.model_run_tokens, settings.model_run_usd),
        per_day=_limits(settings.model_day_calls, settings.model_day_tokens, settings.model_day_usd),
        prices=Prices(settings.model_input_usd, settings.model_output_usd),
        writes_letters=settings.model_letters,
    )


def _limits(calls: int, tokens: int, usd: float) -> Limits:
    return Limits(calls, tokens, max(1, round(usd * USD_MICROS)))
