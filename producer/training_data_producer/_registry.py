"""The registry id of a schema, fetched beside the delivery: a registry that is away must not stop the disk spool."""

import base64
import encodings.idna  # noqa: F401  socket would import it in our thread; a fork at that moment hangs the child's import
import json
import logging
import threading
import time
import urllib.error
import urllib.request

_LOG = logging.getLogger("training_data_producer")
_TIMEOUT_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0


class SchemaIds:
    """Ids of schemas under one subject. Asks the Confluent API in a short-lived thread, with growing pauses."""

    def __init__(self, url: str, subject: str, credentials: tuple[str, str] | None) -> None:
        self._url = f"{url.rstrip('/')}/subjects/{subject}"
        self._headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        if credentials:
            token = base64.b64encode(":".join(credentials).encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {token}"
        self._ids: dict[str, int] = {}
        self._asking: set[str] = set()
        self._pause = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self.asking = threading.Lock()
        """Held while a request is under way: a fork should wait for its end."""
        self.problem: str | None = None
        """Why there is no id yet, for people."""

    def known(self, schema_text: str) -> int | None:
        """The id, or None while it is being fetched. Waits only while the process ends."""
        found = self._ids.get(schema_text)
        if found is None and schema_text not in self._asking and time.monotonic() >= self._not_before:
            self._asking.add(schema_text)
            try:
                threading.Thread(target=self._fetch, args=(schema_text,), name="tdp-registry", daemon=True).start()
            except RuntimeError:  # the interpreter is shutting down and starts no more threads: ask here
                self._fetch(schema_text)
        return found

    def _fetch(self, schema_text: str) -> None:
        try:
            with self.asking:
                self._ids[schema_text] = self._lookup(schema_text)
            self.problem = None
            self._pause = _FIRST_PAUSE_SECONDS
        except Exception as error:  # a wrong URL raises ValueError, a proxy anything: all mean "not now"
            self.problem = f"the schema registry gives no id ({type(error).__name__}: {error})"
            _LOG.debug("%s", self.problem)
            self._not_before = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        finally:
            self._asking.discard(schema_text)

    def _lookup(self, schema_text: str) -> int:
        body = json.dumps({"schema": schema_text}).encode()
        try:
            return self._post(self._url, body)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
        return self._post(f"{self._url}/versions", body)

    def _post(self, url: str, body: bytes) -> int:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the registry URL must start with http:// or https://")
        request = urllib.request.Request(url, data=body, headers=self._headers, method="POST")
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            return int(json.load(answer)["id"])
