"""The names under which a deployment offers the copilot what there is: a document, read strictly.

    {"version": 1, "tools": [
      {"name": "send_money", "summary": "…", "workflow": "transfer",
       "arguments": {"recipient": "creditor_iban", "amount": "amount", "subject": "reference"},
       "fixed": {"source_account": "$account"}, "ignored": ["date"]},
      {"name": "get_balance", "summary": "…", "operation": "get_balance", "fixed": {"account_id": "$account"}},
      {"name": "close_account", "summary": "…", "refused": "an account is closed by its owner alone"}]}

`$account`, `$customer` and `$currency` are the caller's own, where there is one and not several.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tools.rules import strict_json

_Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Own = Literal["$account", "$customer", "$currency"]


class ExposedTool(BaseModel):
    """One of `operation`, `workflow` and `refused`. `arguments` are the tool's by the names that they have with us;
    `parameters` is JSON schema for arguments of names of their own; `ignored` ones are taken and lead to nothing;
    `secret` ones neither, and are not kept. `values` translate an argument's, by their JSON: `{"true": "month"}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Name
    summary: Annotated[str, Field(min_length=1, max_length=1000)]
    operation: str | None = None
    workflow: str | None = None
    refused: str | None = None
    arguments: dict[_Name, str] = Field(default_factory=dict)
    fixed: dict[str, Own | str | int] = Field(default_factory=dict)
    values: dict[_Name, dict[str, str | int]] = Field(default_factory=dict)
    ignored: list[_Name] = Field(default_factory=list)
    secret: list[_Name] = Field(default_factory=list)
    parameters: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "ExposedTool":
        if sum(each is not None for each in (self.operation, self.workflow, self.refused)) != 1:
            raise ValueError(f"{self.name} must have one of operation, workflow and refused")
        return self


class Exposed(BaseModel):
    """Only these are offered, and a person to turn to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    tools: Annotated[list[ExposedTool], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _names_differ(self) -> "Exposed":
        names = [each.name for each in self.tools]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice} is exposed twice")
        return self


def read_exposed(text: str) -> Exposed:
    """ValueError says what is wrong with it, by its place."""
    try:
        return Exposed.model_validate(strict_json.parse(text))
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from exc
