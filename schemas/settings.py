"""All settings, in one place: the only module that reads the environment.

Sources, strongest first: constructor arguments, `TDC_*` environment variables (nested with two underscores, for
example `TDC_KAFKA__BOOTSTRAP_SERVERS`), `tdc.toml` in the working directory, defaults. The defaults describe the
local stack that `tdc up` starts: addresses follow from `TDC_PORT_BASE`, secrets from files in `TDC_HOME`.
"""

import json
import os
import tomllib
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError

from schemas.errors import UsageError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """How to reach Kafka."""

    bootstrap_servers: str | None = Field(None, description="host:port list; default: the local stack")
    security_protocol: str = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        pattern="(?i)^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$",
    )  # fmt: skip
    sasl_mechanism: str | None = Field(None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = Field(None, description="CA certificate file")
    partitions: int = Field(4, ge=1, le=1024, description="partitions of topics that are created here")
    replication_factor: int = Field(1, ge=1)
    session_timeout_seconds: float = Field(10, ge=6)
    member: str | None = Field(
        None,
        description="name of this process in its consumer group, its own one; who comes back under it goes on at once",
    )


class RegistrySettings(_Section):
    """How to reach the schema registry (Confluent API)."""

    url: str | None = Field(None, description="base URL; default: the local stack")
    username: str | None = None
    password: SecretStr | None = None


class RedisSettings(_Section):
    """How to reach Redis."""

    url: str | None = Field(
        None, description="redis:// or rediss:// URL; default: the local stack", pattern="^(rediss?|unix)://"
    )
    username: str | None = Field(None, description="ACL user")
    password: SecretStr | None = None
    ca_location: Path | None = Field(None, description="CA certificate file for rediss://")
    key_prefix: str = Field("tdc", description="first part of every key")


class StorageSettings(_Section):
    """Where the tables live."""

    root: str | None = Field(None, description="s3://bucket/prefix or a directory; default: the local stack")
    endpoint_url: str | None = Field(None, description="S3 endpoint for S3-compatible stores")
    region: str = "us-east-1"
    access_key_id: SecretStr | None = Field(None, description="default: the usual AWS credential chain")
    secret_access_key: SecretStr | None = None
    allow_http: bool = Field(False, description="plain HTTP to the endpoint; the local stack needs it")


class AssembleSettings(_Section):
    """When a trace is complete, and how much is held open."""

    quiet_seconds: float = Field(2, ge=0, description="after the root ended, wait this long for stragglers")
    idle_seconds: float = Field(120, gt=0, description="close a trace without an end after this silence")
    max_age_seconds: float = Field(86_400, gt=0, description="close a trace this long after its first message")
    amend_seconds: float = Field(3_600, ge=0, description="late events re-emit a closed trace for this long")
    remember_seconds: float = Field(604_800, ge=0, description="closed traces are known this long")
    max_events: int = Field(200_000, ge=1, description="close a trace at this many events")
    max_bytes: int = Field(16 * 2**20, ge=1024, le=22 * 2**20, description="close a trace at this many bytes")
    max_open_traces: int = Field(500_000, ge=1, description="per partition; more evicts the one due soonest")
    max_open_bytes: int = Field(2 * 2**30, ge=2**20, description="per partition; more evicts the one due soonest")

    @model_validator(mode="after")
    def _known_while_amended(self) -> "AssembleSettings":
        if self.remember_seconds < self.amend_seconds:  # a late event would begin its trace anew
            raise ValueError("remember_seconds must not be less than amend_seconds")
        return self


class WorkerSettings(_Section):
    """How a worker process behaves."""

    batch_messages: int = Field(500, ge=1, le=10_000)
    in_flight_bytes: int = Field(64 * 2**20, ge=2**20, description="messages read and not applied yet, at most")
    batch_wait_seconds: float = Field(0.1, gt=0)
    tick_seconds: float = Field(0.25, gt=0, description="how often timers are looked at")
    clock_slack_seconds: float = Field(0.5, ge=0, description="clock minus this may drive timers when caught up")
    retry_seconds: float = Field(60, gt=0, description="how long one effect is retried before the process exits")
    stall_seconds: float = Field(120, gt=5, description="lag without progress for this long dumps stacks and exits")
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(None, description="port of /livez, /readyz, /metrics; 0 = any; default: off")


class SinkSettings(_Section):
    """How rows are written."""

    flush_rows: int = Field(20_000, ge=1)
    flush_bytes: int = Field(64 * 2**20, ge=2**16, description="bound of the buffer, bytes of messages")
    flush_seconds: float = Field(2, gt=0)
    target_file_bytes: int = Field(128 * 2**20, ge=2**20)
    compact_every_commits: int = Field(50, ge=2)
    stall_seconds: float = Field(30, gt=1, description="a partition that gives nothing for this long is taken up anew")
    history_hours: float = Field(168, ge=0, description="table history that vacuum keeps")


class Settings(BaseSettings):
    """Every setting of the system."""

    model_config = SettingsConfigDict(
        env_prefix="TDC_", env_nested_delimiter="__", toml_file="tdc.toml", extra="forbid", frozen=True
    )

    home: Path = Field(Path(".tdc"), description="state of the local stack")
    port_base: int = Field(19_090, ge=1024, le=65_000, description="first port of the local stack")
    policy: Path | None = Field(None, description="curation policy file; default: ops/policies/default.toml")
    redaction: Path | None = Field(None, description="redaction policy file; default: ops/policies/redaction.toml")
    pseudonym_key_file: Path | None = Field(None, description="key for pseudonyms, mode 0600; default: in TDC_HOME")
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    redis: RedisSettings = RedisSettings()
    storage: StorageSettings = StorageSettings()
    assemble: AssembleSettings = AssembleSettings()
    worker: WorkerSettings = WorkerSettings()
    sink: SinkSettings = SinkSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Constructor, environment, tdc.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def kafka_config(self) -> dict[str, str | int | float | bool]:
        """Connection settings in librdkafka's words."""
        kafka = self.kafka
        config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": kafka.bootstrap_servers or f"127.0.0.1:{self.port_base}",
            "security.protocol": kafka.security_protocol,
            # librdkafka writes to stderr on its own; what matters comes as errors, which we put in our words.
            "log_level": 2,
        }
        if kafka.sasl_mechanism:
            config["sasl.mechanism"] = kafka.sasl_mechanism
            config["sasl.username"] = kafka.sasl_username or ""
            config["sasl.password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else ""
        if kafka.ssl_ca_location:
            config["ssl.ca.location"] = str(kafka.ssl_ca_location)
        return config

    def registry_url(self) -> str:
        """Base URL of the registry's Confluent API."""
        return self.registry.url or f"http://127.0.0.1:{self.port_base + 2}/apis/ccompat/v7"

    def redis_url(self) -> str:
        """URL of Redis, without credentials."""
        return self.redis.url or f"redis://127.0.0.1:{self.port_base + 3}/0"

    @cached_property
    def _local_s3(self) -> dict[str, str] | None:
        """Credentials of the local stack's S3 server; None where the stack keeps tables in a directory."""
        path = self.home / "credentials.json"
        if not path.exists():
            return None
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def storage_root(self) -> str:
        """Root URL or absolute directory of the tables."""
        if self.storage.root:
            return self.storage.root
        return "s3://tdc/tables" if self._local_s3 else str((self.home / "tables").absolute())

    def storage_options(self) -> dict[str, str]:
        """Options for delta-rs; empty for a directory."""
        if not self.storage_root().startswith("s3://"):
            return {}
        storage = self.storage
        options = {"aws_region": storage.region, "aws_conditional_put": "etag"}
        endpoint = storage.endpoint_url
        key, secret = storage.access_key_id, storage.secret_access_key
        if storage.root is None and self._local_s3:
            endpoint = endpoint or f"http://127.0.0.1:{self.port_base + 4}"
            key = key or SecretStr(self._local_s3["access_key"])
            secret = secret or SecretStr(self._local_s3["secret_key"])
        if endpoint:
            options["aws_endpoint_url"] = endpoint
            options["aws_allow_http"] = str(storage.allow_http or endpoint.startswith("http://127.0.0.1")).lower()
        if key and secret:
            options["aws_access_key_id"] = key.get_secret_value()
            options["aws_secret_access_key"] = secret.get_secret_value()
        return options

    def pseudonym_key_path(self) -> Path:
        """File that holds the pseudonym key."""
        return self.pseudonym_key_file or self.home / "pseudonym.key"


def load_settings(**overrides: object) -> Settings:
    """Read the settings. Raises UsageError that names each wrong one."""
    strangers = sorted(name for name in os.environ if _is_of_no_section(name))
    if strangers:
        raise UsageError(f"there are no such settings: {', '.join(strangers)}")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise UsageError("these settings are wrong (TDC_* variables or tdc.toml):\n" + "\n".join(lines)) from None
    except SettingsError as error:  # a section given as one value that is no JSON
        raise UsageError(f"these settings are wrong (TDC_* variables or tdc.toml): {error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"tdc.toml in this directory cannot be read: {error}") from None


def _is_of_no_section(variable: str) -> bool:
    """True for `TDC_X__Y` without a section X: a slip of the pen that pydantic would pass over in silence."""
    name = variable.upper()
    section = name.removeprefix("TDC_").partition("__")[0].lower()
    return name.startswith("TDC_") and "__" in name and section not in Settings.model_fields
