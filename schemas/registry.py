"""The schema registry, over its Confluent HTTP API: the one module of this package that does I/O."""

import json
import time
import uuid
from collections import deque
from typing import Any

import requests
from fastavro.schema import to_parsing_canonical_form

from schemas.codec import SchemaId, SchemaLookup, WriterSchema
from schemas.contracts import (
    NAMESPACE,
    parse_for_codec,
    parsed_schema,
    record_names,
    registered_schema,
    topic_contracts,
)
from schemas.errors import RegistryUnavailable, UnknownSchema
from schemas.settings import Settings

_TIMEOUT_SECONDS = 10.0
_LARGEST_ID = 2**31 - 1
_GUIDS = "/schemas/guids/"
"""Registries without this way answer in words of their own."""
_REFUSALS = (400, 404, 409, 422)
"""With an error code of the registry: it does not know the schema, or does not take it."""
_FORGET_UNKNOWN_SECONDS = 5.0
"""An unknown id is asked for again after this long: it may have been registered in between."""
_FAR_IDS = 1_000
"""Registries count their ids up: one that is further than this above all known ones is hardly a real one."""
_FAR_QUESTIONS = 100
"""So many unlikely ids are asked for in that time. A flood of random bytes would else cost one call a message."""


class RegistryClient(SchemaLookup):
    """Registers our schemas and looks up those of foreign writers. Answers are kept: an id never changes meaning."""

    def __init__(self, url: str, auth: tuple[str, str] | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._http.auth = auth
        self._writers: dict[SchemaId, WriterSchema] = {}
        self._unknown: dict[SchemaId, float] = {}
        self._highest = 0
        self._far_questions: deque[float] = deque(maxlen=_FAR_QUESTIONS)

    @classmethod
    def from_settings(cls, settings: Settings) -> "RegistryClient":
        """The registry that the settings name."""
        registry = settings.registry
        password = registry.password.get_secret_value() if registry.password else ""
        return cls(settings.registry_url(), (registry.username, password) if registry.username else None)

    def register(self, topic: str, record: str) -> int:
        """Register one record of a topic under the topic's compatibility; returns the schema id.

        Raises RegistryUnavailable, or UnknownSchema when the registry refuses the schema as incompatible.
        """
        contract = topic_contracts()[topic]
        subject = contract.subject(record)
        self._call("PUT", f"/config/{subject}", {"compatibility": contract.compatibility})
        answer = self._call("POST", f"/subjects/{subject}/versions", {"schema": registered_schema(record)})
        schema_id = int(answer["id"])
        self._highest = max(self._highest, schema_id)
        return schema_id

    def register_all(self) -> dict[tuple[str, str], int]:
        """Register every record of every topic: {(topic, record): schema id}."""
        return {
            (contract.name, record): self.register(contract.name, record)
            for contract in topic_contracts().values()
            for record in contract.records
        }

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        """Schema of a message. Raises UnknownSchema or RegistryUnavailable."""
        found = self._writers.get(schema_id)
        if found is not None:
            return found
        if isinstance(schema_id, int) and not 0 < schema_id <= _LARGEST_ID:
            raise UnknownSchema(f"schema id {schema_id} is not one that a registry gives")
        asked_at = self._unknown.get(schema_id)
        if asked_at is not None and time.monotonic() - asked_at < _FORGET_UNKNOWN_SECONDS:
            raise UnknownSchema(f"schema id {schema_id} is not in the registry")
        self._check_flood(schema_id)
        path = f"{_GUIDS}{schema_id}" if isinstance(schema_id, uuid.UUID) else f"/schemas/ids/{schema_id}"
        try:
            answer = self._call("GET", path)
        except UnknownSchema:
            if len(self._unknown) > 10_000:
                self._unknown.clear()
            self._unknown[schema_id] = time.monotonic()
            raise UnknownSchema(f"schema id {schema_id} is not in the registry") from None
        if "schema" not in answer:
            raise RegistryUnavailable(f"the schema registry at {self._url} gives no schema for an id it knows")
        self._writers[schema_id] = found = _writer_schema(str(answer["schema"]))
        if isinstance(schema_id, int):
            self._highest = max(self._highest, schema_id)
        return found

    def _check_flood(self, schema_id: SchemaId) -> None:
        """Raise UnknownSchema for an unlikely id while too many of them come. What is lost by that can be replayed."""
        if isinstance(schema_id, int) and schema_id <= self._highest + _FAR_IDS:
            return
        now = time.monotonic()
        asked = self._far_questions
        if len(asked) == _FAR_QUESTIONS and now - asked[0] < _FORGET_UNKNOWN_SECONDS:
            raise UnknownSchema(f"schema id {schema_id} is none of the known ones, and many such ids came at once")
        asked.append(now)

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, self._url + path, json=body, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise RegistryUnavailable(
                f"the schema registry at {self._url} does not answer ({type(error).__name__})"
            ) from None
        found = _json_object(answer)
        if answer.status_code in _REFUSALS and ("error_code" in found or path.startswith(_GUIDS)):
            raise UnknownSchema(f"the schema registry refused {method} {path}: {answer.status_code}")
        if answer.status_code != 200 or not found:
            # Also a gateway or a login before it: what they say is no word on the schema.
            hint = "; see TDC_REGISTRY__USERNAME and _PASSWORD" if answer.status_code in (401, 403) else ""
            raise RegistryUnavailable(f"the schema registry at {self._url} answered {answer.status_code}{hint}")
        return found


def _json_object(answer: requests.Response) -> dict[str, Any]:
    """The object of an answer; an empty one where it is something else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _writer_schema(text: str) -> WriterSchema:
    try:
        schema = parse_for_codec(text)
        name = str(schema.get("name", "")) if isinstance(schema, dict) else ""
    except Exception:  # a foreign schema may be anything; fastavro raises many types
        raise UnknownSchema("the registered schema is not an Avro record") from None
    record = name.removeprefix(f"{NAMESPACE}.")
    is_ours = record in record_names() and _canonical(schema) == _canonical(parsed_schema(record))
    if is_ours:
        schema = parsed_schema(record)
    return WriterSchema(record=record, schema=schema, is_ours=is_ours)


def _canonical(schema: Any) -> str:
    return str(to_parsing_canonical_form(json.loads(json.dumps(schema))))
