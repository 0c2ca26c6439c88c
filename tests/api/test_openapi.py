"""The OpenAPI document says all that a client must know, and nothing that is not so."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from api.app import OUR_ROUTES, Described, create_app
from api.settings import Settings
from graphs import WORKFLOWS

NO_KEY = {("get", "/ok"), ("get", "/health"), ("post", "/bank/events")}
TAKES_BODY = {"400", "413", "415", "422"}
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Of the whole application."""
    return create_app(Settings(), "postgresql://nowhere", with_worker=False).openapi()


@pytest.fixture(scope="module")
def own() -> dict[str, Any]:
    """Of our own routes, which are stricter than those that LangGraph's SDK prescribes."""
    app = Described()
    for routes in OUR_ROUTES:
        app.router.routes.extend(routes.router().routes)
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_operation_ids_are_unique_and_each_operation_has_a_tag_and_words(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(ids) == len(set(ids))
    assert all(operation["tags"] and operation["summary"] for _, _, operation in operations(document))


def test_problems_are_problem_json_and_nothing_else(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                assert answer["content"] == content, (method, path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_each_operation_lists_the_problems_it_can_give(own: dict[str, Any]) -> None:
    for method, path, operation in operations(own):
        listed, name = set(operation["responses"]), (method, path)
        assert "422" in listed, name
        assert ("401" in listed) == (name not in NO_KEY), name
        assert "503" in listed or path == "/ok", name
        assert "404" in listed or "{" not in path, name
        assert listed >= TAKES_BODY or "requestBody" not in operation, name
        headers = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
        assert "409" in listed or "Idempotency-Key" not in headers, name


def test_both_kinds_of_key_are_documented_and_wanted_everywhere_but_for_health(own: dict[str, Any]) -> None:
    schemes = own["components"]["securitySchemes"]
    bearer = next(name for name, scheme in schemes.items() if scheme.get("scheme") == "bearer")
    header = next(name for name, scheme in schemes.items() if scheme.get("name") == "x-api-key")

    for method, path, operation in operations(own):
        wanted: list[Any] = [] if (method, path) in NO_KEY else [{bearer: []}, {header: []}]
        assert operation.get("security", []) == wanted, (method, path)


def test_each_workflow_starts_by_its_own_schema_with_a_required_key(document: dict[str, Any]) -> None:
    for workflow in WORKFLOWS:
        operation = document["paths"][f"/workflows/{workflow.name}/threads"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        [key] = [parameter for parameter in operation["parameters"] if parameter["name"] == "Idempotency-Key"]

        assert body == workflow.input.__name__
        assert key["required"]
        assert document["components"]["schemas"][body]["examples"]
        assert set(operation["responses"]) >= {"200", "202"}


def test_examples_are_valid(document: dict[str, Any]) -> None:
    found = 0
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            jsonschema.validate(example, whole, cls=jsonschema.Draft202012Validator)
            found += 1

    assert found >= 4


def test_bodies_take_no_field_that_is_not_in_their_schema(own: dict[str, Any]) -> None:
    schemas = own["components"]["schemas"]
    waiting = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for _, _, operation in operations(own)
        if "requestBody" in operation
    ]
    seen = set()
    while waiting:
        for name in [part.split('"')[0] for part in json.dumps(waiting.pop()).split("#/components/schemas/")[1:]]:
            if name not in seen:
                seen.add(name)
                waiting.append(schemas[name])
                assert schemas[name]["type"] != "object" or schemas[name].get("additionalProperties") is False, name

    assert {"LoanApplication", "Employment", "Housing", "AnswerBody", "KeyBody"} <= seen


def test_every_answer_has_a_schema(own: dict[str, Any]) -> None:
    for method, path, operation in operations(own):
        for status, answer in operation["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                described = content.get("schema") or content.get("itemSchema")
                assert described or media_type == "application/pdf", (method, path, status)
