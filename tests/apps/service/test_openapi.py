"""Requests made up from the OpenAPI schema, right and wrong ones: no 500, and every answer as documented."""

from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

STREAM = "/api/progress"  # never ends
# Which bytes are a video, which of two times is later, which characters show: nearly all that fits is refused.
BEYOND_A_SCHEMA = ("/api/uploads", "/api/verdicts")
EXAMPLES = 10  # of each operation, right and wrong


def generation_modes(operation: Any) -> Iterator[GenerationMode]:
    """Wrong requests only where there is something to get wrong."""
    yield GenerationMode.POSITIVE
    if operation.body or any(operation.iter_parameters()):
        yield GenerationMode.NEGATIVE


def check(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    is_beyond = operation.path in BEYOND_A_SCHEMA or operation.path.endswith("/verdict")
    excluded = [positive_data_acceptance] if is_beyond else []

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    call()


def test_every_error_has_the_body_of_a_problem(guarded: Any) -> None:
    document = guarded.client.get("/openapi.json").json()
    problem = {"$ref": "#/components/schemas/Problem"}
    assert document["components"]["schemas"]["Problem"]["required"] == ["title", "status", "detail"]
    for operations in document["paths"].values():
        for operation in operations.values():
            errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
            assert len(errors) > 5
            for answer in errors.values():
                assert answer["content"] == {"application/problem+json": {"schema": problem}}


def test_answers_fit_the_schema(guarded: Any) -> None:
    headers = {"Authorization": guarded.client.headers["Authorization"]}
    schema = schemathesis.openapi.from_url(f"{guarded.url}/openapi.json").exclude(path=STREAM)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        for mode in generation_modes(operation):
            check(operation, mode, headers)
