"""What answers of a schema registry, and of what stands before it, mean for a message."""

import json
import uuid

import pytest
import requests

from schemas.codec import SchemaId
from schemas.contracts import registered_schema
from schemas.errors import RegistryUnavailable, UnknownSchema
from schemas.registry import RegistryClient


def client_that_gets(status: int, body: str) -> RegistryClient:
    client = RegistryClient("http://registry.example")

    def request(*_: object, **__: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer._content = status, body.encode()
        return answer

    client._http.request = request  # type: ignore[method-assign]
    return client


REFUSAL = json.dumps({"error_code": 40403, "message": "Schema not found"})


def test_a_known_schema_is_found() -> None:
    client = client_that_gets(200, json.dumps({"schema": registered_schema("Event")}))
    assert client.writer_schema(5).is_ours


@pytest.mark.parametrize(
    ("status", "body", "schema_id"),
    [(404, REFUSAL, 5), (422, REFUSAL, 5), (404, REFUSAL, uuid.UUID(int=1)), (404, "no such path", uuid.UUID(int=1))],
)
def test_a_schema_that_the_registry_does_not_know_is_unknown(status: int, body: str, schema_id: SchemaId) -> None:
    with pytest.raises(UnknownSchema):
        client_that_gets(status, body).writer_schema(schema_id)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, "{}"), (403, REFUSAL), (404, "<html>default backend</html>"), (404, "{}"), (408, ""), (429, REFUSAL),
        (500, REFUSAL), (200, "<html>sign in</html>"), (200, "{}"), (200, "[]"), (200, '{"id": 5}'),
    ],
)  # fmt: skip
def test_any_other_answer_says_nothing_of_the_schema(status: int, body: str) -> None:
    with pytest.raises(RegistryUnavailable) as caught:
        client_that_gets(status, body).writer_schema(5)
    assert ("TDC_REGISTRY__USERNAME" in str(caught.value)) == (status in (401, 403))
