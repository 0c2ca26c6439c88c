"""Everything that can be set from outside: environment variables and `.env`, nothing else."""

import base64
import binascii
import re
from datetime import time
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.webhooks.destinations import Destinations
from tools.rules.jurisdictions import Jurisdiction

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


def webhook_key(secret: str) -> bytes:
    """The bytes that events are signed with. ValueError unless it is a secret as Standard Webhooks writes them."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as exc:
        raise ValueError("BANKING_WEBHOOK_SECRET must be whsec_ and base64") from exc
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError("BANKING_WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 bytes")
    return key


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: str | None = Field(None, description="PostgreSQL to use; unset: an embedded one is started")
    home: Path = Field(
        Path(".countersign"), validation_alias="COUNTERSIGN_HOME", description="data of the embedded parts, logs"
    )
    host: str = Field("127.0.0.1", validation_alias="COUNTERSIGN_HOST", description="address that the API listens on")
    port: PositiveInt = Field(8000, description="port that the API listens on")
    public_url: str | None = Field(
        None,
        validation_alias="COUNTERSIGN_PUBLIC_URL",
        description="where people reach the API, for links to it; unset: http:// and its address and port",
    )
    banking_api_base_url: str | None = Field(None, description="the core bank; unset: the sandbox bank is started")
    banking_api_key: SecretStr | None = Field(None, description="the core bank's bearer key")
    banking_webhook_secret: SecretStr | None = Field(
        None, description="what the core bank signs its events with, whsec_ and base64; unset: it is only asked"
    )
    return_window_s: PositiveFloat | None = Field(
        None,
        validation_alias="COUNTERSIGN_RETURN_WINDOW_S",
        description="time that a settled transfer may still be returned; unset: 5 days, at the sandbox bank 4 steps",
    )
    sanctions_list: Path | None = Field(
        None, description="SDN.CSV to screen against, with ALT.CSV beside it; unset: the demo's made-up list"
    )
    config: Path | None = Field(
        None,
        validation_alias="COUNTERSIGN_CONFIG",
        description="langgraph.json of graphs to serve beside the workflows",
    )
    sandbox_port: int = Field(
        0, ge=0, validation_alias="COUNTERSIGN_SANDBOX_PORT", description="port of the sandbox bank; 0: any free one"
    )
    sandbox_settlement_s: PositiveFloat = Field(
        3,
        validation_alias="COUNTERSIGN_SANDBOX_SETTLEMENT_S",
        description="time that the sandbox bank's payments to other banks take for each step",
    )
    sandbox_world: Path | None = Field(
        None,
        validation_alias="COUNTERSIGN_SANDBOX_WORLD",
        description="JSON file of a world that the sandbox bank loads, once; unset: its own alone",
    )
    account_checksums: bool = Field(
        True,
        validation_alias="COUNTERSIGN_ACCOUNT_CHECKSUMS",
        description="check digits of IBANs; false only for a test world of made-up numbers, and said in /health",
    )
    bootstrap_key: SecretStr | None = Field(
        None, validation_alias="COUNTERSIGN_BOOTSTRAP_KEY", description="value of the first admin key"
    )
    tenant: str = Field("demo", validation_alias="COUNTERSIGN_TENANT", description="tenant of keys made here")
    jurisdiction: Jurisdiction = Field(
        "US", validation_alias="COUNTERSIGN_JURISDICTION", description="whose consumer credit law we lend under: US, EU"
    )
    worker_concurrency: PositiveInt = Field(
        100, validation_alias="COUNTERSIGN_WORKER_CONCURRENCY", description="runs that one worker drives at once"
    )
    pool_size: PositiveInt = Field(
        10, validation_alias="COUNTERSIGN_POOL_SIZE", description="database connections of one process"
    )
    drain_s: PositiveFloat = Field(
        20, validation_alias="COUNTERSIGN_DRAIN_S", description="time that runs have to reach a step's end on SIGTERM"
    )
    stalled_after_s: PositiveFloat = Field(
        12,
        validation_alias="COUNTERSIGN_STALLED_AFTER_S",
        description="a worker silent for so long counts as dead, and its runs go to another",
    )
    decision_wait_s: PositiveFloat = Field(
        20,
        validation_alias="COUNTERSIGN_DECISION_WAIT_S",
        description="longest wait of a call that answers when decided",
    )
    daily_at: time = Field(
        time(3), validation_alias="COUNTERSIGN_DAILY_AT", description="time of day, UTC, of what starts daily"
    )
    cors_origins: str = Field(
        "",
        validation_alias="COUNTERSIGN_CORS_ORIGINS",
        description="origins whose pages may call the API from a browser, with commas between; unset: none",
    )
    webhook_allow: str = Field(
        "",
        validation_alias="COUNTERSIGN_WEBHOOK_ALLOW",
        description="hosts that webhooks may go to though they are not public: names, addresses, CIDRs, with commas",
    )
    fraud_model: Path | None = Field(
        None,
        validation_alias="COUNTERSIGN_FRAUD_MODEL",
        description="learned fraud scorer, as `countersign fraud fit` wrote it; unset: ours; off: rules alone",
    )
    language_model: str | None = Field(
        None,
        validation_alias="COUNTERSIGN_MODEL",
        description="language model to ask; unset: none, and templates speak",
    )
    openai_api_key: SecretStr | None = Field(None, description="key of the language model's endpoint")
    openai_base_url: str | None = Field(
        None, description="endpoint that speaks OpenAI's protocol, with /v1; unset: OpenAI's own"
    )
    model_timeout_s: PositiveFloat = Field(
        20, validation_alias="COUNTERSIGN_MODEL_TIMEOUT_S", description="longest wait for one answer of the model"
    )
    model_run_calls: PositiveInt = Field(
        12, validation_alias="COUNTERSIGN_MODEL_RUN_CALLS", description="requests to the model in one run or intake"
    )
    model_run_tokens: PositiveInt = Field(
        100_000, validation_alias="COUNTERSIGN_MODEL_RUN_TOKENS", description="tokens of the model in one run or intake"
    )
    model_run_usd: PositiveFloat = Field(
        1, validation_alias="COUNTERSIGN_MODEL_RUN_USD", description="US dollars for the model in one run or intake"
    )
    model_day_calls: PositiveInt = Field(
        10_000, validation_alias="COUNTERSIGN_MODEL_DAY_CALLS", description="requests to the model per tenant and day"
    )
    model_day_tokens: PositiveInt = Field(
        20_000_000, validation_alias="COUNTERSIGN_MODEL_DAY_TOKENS", description="its tokens per tenant and day (UTC)"
    )
    model_day_usd: PositiveFloat = Field(
        100, validation_alias="COUNTERSIGN_MODEL_DAY_USD", description="US dollars for it per tenant and day (UTC)"
    )
    model_letters: bool = Field(
        False, validation_alias="COUNTERSIGN_MODEL_LETTERS", description="add the model's paragraph to letters of loans"
    )
    model_input_usd: float = Field(
        0, ge=0, validation_alias="COUNTERSIGN_MODEL_INPUT_USD", description="price of a million tokens asked"
    )
    model_output_usd: float = Field(
        0, ge=0, validation_alias="COUNTERSIGN_MODEL_OUTPUT_USD", description="price of a million tokens answered"
    )
    copilot_tools: Path | None = Field(
        None,
        validation_alias="COUNTERSIGN_COPILOT_TOOLS",
        description="file with the names under which the copilot is offered operations and workflows; unset: their own",
    )
    model_texts_days: PositiveInt = Field(
        365,
        validation_alias="COUNTERSIGN_MODEL_TEXTS_DAYS",
        description="days that what a model was asked and answered is kept; cost and outcome stay",
    )
    intake_drafts_days: PositiveInt = Field(
        30,
        validation_alias="COUNTERSIGN_INTAKE_DRAFTS_DAYS",
        description="days that free text of an intake is kept after it was last touched",
    )
    allow_tracing: bool = Field(
        False,
        validation_alias="COUNTERSIGN_ALLOW_TRACING",
        description="let LANGSMITH_TRACING and its like send runs, with customers' data, to a tracing service",
    )
    a2a: bool = Field(
        False,
        validation_alias="COUNTERSIGN_A2A",
        description="serve agents that speak A2A, at /a2a; needs the extra a2a",
    )
    log_level: str = Field("INFO", validation_alias="COUNTERSIGN_LOG_LEVEL", description="least severity logged")

    @field_validator("webhook_allow")
    @classmethod
    def _are_hosts(cls, entries: str) -> str:
        try:
            Destinations.allowing(entries)
        except ValueError as exc:
            raise ValueError(f"COUNTERSIGN_WEBHOOK_ALLOW: {exc}") from exc
        return entries

    @property
    def reached_at(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def allowed_origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: str) -> str:
        """An origin with a path, or without its scheme, would match no browser's, and nobody would know why."""
        for origin in filter(None, (one.strip() for one in origins.split(","))):
            if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
                raise ValueError(f"COUNTERSIGN_CORS_ORIGINS: {origin!r} is no origin such as https://app.example.com")
        return origins

    @field_validator("daily_at")
    @classmethod
    def _in_utc(cls, at: time) -> time:
        if at.tzinfo is not None:
            raise ValueError("COUNTERSIGN_DAILY_AT is a time of day in UTC such as 03:00, without a zone")
        return at

    @field_validator("banking_webhook_secret")
    @classmethod
    def _is_signing_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            webhook_key(secret.get_secret_value())
        return secret

    @field_validator("bootstrap_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 16:
            raise ValueError("COUNTERSIGN_BOOTSTRAP_KEY must be at least 16 characters long")
        return key
