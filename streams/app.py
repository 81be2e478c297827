"""Wiring: settings to a running worker. The only module that builds the parts and puts them together."""

import logging
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
from redis.asyncio import Redis

from schemas.errors import TransientError, UsageError
from schemas.registry import RegistryClient
from schemas.settings import AssembleSettings, Settings
from streams.core.near_duplicates.records import Rules
from streams.core.patterns.mine import PatternRules
from streams.core.policy import Policy, load_policy
from streams.core.timers import Windows
from streams.health import attach_health
from streams.kafka import KafkaLog, KafkaPublisher, ensure_topics
from streams.redaction import redactor_of
from streams.runtime import Runtime, Stage
from streams.stages.assemble import AssembleStage
from streams.stages.curate import CurateStage
from streams.stages.patterns import PatternMiner
from streams.state.near_duplicates import NearDuplicates, RedisNearDuplicates
from streams.state.patterns_redis import RedisPatternStore
from streams.state.redis import RedisPartitionState, connect

DEFAULT_POLICY = Path(__file__).parent.parent / "ops" / "policies" / "default.toml"


def windows_of(settings: AssembleSettings) -> Windows:
    """Settings in the units of the core."""
    return Windows(
        quiet_ms=int(settings.quiet_seconds * 1000),
        idle_ms=int(settings.idle_seconds * 1000),
        max_age_ms=int(settings.max_age_seconds * 1000),
        amend_ms=int(settings.amend_seconds * 1000),
        remember_ms=int(settings.remember_seconds * 1000),
        max_events=settings.max_events,
        max_bytes=settings.max_bytes,
        max_open_traces=settings.max_open_traces,
        max_open_bytes=settings.max_open_bytes,
    )


def pseudonym_key(settings: Settings) -> bytes:
    """The key of pseudonyms. Raises UsageError when it is missing or readable by others: without it nothing runs."""
    path = settings.pseudonym_key_path()
    if not path.exists():
        raise UsageError(f"the pseudonym key {path} is missing: `tdc up` makes one, or set TDC_PSEUDONYM_KEY_FILE")
    if path.stat().st_mode & 0o077:
        raise UsageError(f"the pseudonym key {path} is readable by others: chmod 600 it")
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"the pseudonym key {path} cannot be read as text: `tdc up` makes one where none is") from None
    if len(key) < 32:
        raise UsageError(f"the pseudonym key {path} is shorter than 32 characters")
    return key.encode()


def topics_and_schemas(settings: Settings, registry: RegistryClient) -> dict[tuple[str, str], int]:
    """Make sure of topics and schemas; returns the schema ids. Waits for a broker or registry that comes later.

    Raises TransientError when one of them does not come within `worker.retry_seconds`.
    """
    until = time.monotonic() + settings.worker.retry_seconds
    while True:
        try:
            ensure_topics(settings)
            return registry.register_all()
        except TransientError as error:
            if time.monotonic() > until:
                raise
            logging.getLogger("tdc").warning("%s; waiting for it", error)
            time.sleep(1)


def near_duplicates(redis: Redis, settings: Settings, policy: Policy) -> NearDuplicates | None:
    """The index of near-duplicates; None where the policy looks for none."""
    rules = policy.near_duplicates
    if not rules.enabled:
        return None
    hour_ms = 3_600_000
    return RedisNearDuplicates(
        redis,
        settings.redis.key_prefix,
        Rules(
            min_similarity=rules.min_similarity,
            keep=rules.keep,
            better_by=rules.better_by,
            window_ms=rules.window_hours * hour_ms,
            max_docs_per_window=rules.max_documents,
            scenario_cap=rules.scenario_cap,
            exact_window_ms=max(4 * rules.window_hours, 720) * hour_ms,
            max_exact_per_window=2 * rules.max_documents,
        ),
    )


def build_app(settings: Settings, stage_name: str) -> faust.App:
    """A Faust app that runs one stage, ready to be started. Topics and schemas are made sure of first."""
    registry = RegistryClient.from_settings(settings)
    publisher = KafkaPublisher(settings, topics_and_schemas(settings, registry))
    log = KafkaLog(settings)
    redis = connect(settings)
    owner = f"{socket.gethostname()}-{secrets.token_hex(8)}"

    def state_of(topic: str) -> Callable[[int], RedisPartitionState]:
        return lambda partition: RedisPartitionState(redis, settings.redis.key_prefix, topic, partition)

    stage: Stage
    if stage_name == "assemble":
        stage = AssembleStage(
            owner=owner,
            state_of=state_of("agent-events"),
            publisher=publisher,
            log=log,
            lookup=registry,
            windows=windows_of(settings.assemble),
            pseudonym_key=pseudonym_key(settings),
            redactor=redactor_of(settings),
        )
    elif stage_name == "curate":
        policy = load_policy(settings.policy or DEFAULT_POLICY)
        stage = CurateStage(
            owner=owner,
            state_of=state_of("traces"),
            publisher=publisher,
            log=log,
            lookup=registry,
            policy=policy,
            remember_ms=int(settings.assemble.remember_seconds * 1000),
            index=near_duplicates(redis, settings, policy),
            miner=PatternMiner(RedisPatternStore(redis, settings.redis.key_prefix), publisher, PatternRules()),
        )
    else:
        raise UsageError(f"there is no stage {stage_name!r}; stages are assemble and curate")
    app = faust.App(f"tdc-{stage_name}", **_faust_options(settings))
    runtime = Runtime(stage, log, settings.worker)
    runtime.attach(app)
    if settings.worker.health_port is not None:
        attach_health(app, runtime, settings.worker.health_host, settings.worker.health_port)
    return app


def run_worker(settings: Settings, stage_name: str) -> None:
    """Run one worker until it is told to stop. Ends the process."""
    app = build_app(settings, stage_name)
    worker = faust.Worker(app, loglevel="WARNING", logfile=None, redirect_stdouts=False, quiet=True)
    # The spinner would write escape codes into the log, and have every debug line of every library made.
    worker.spinner = None
    logging.getLogger("tdc").setLevel(logging.INFO)
    worker.execute_from_commandline()


def _faust_options(settings: Settings) -> dict[str, Any]:
    kafka = settings.kafka_config()
    servers = str(kafka["bootstrap.servers"])
    options: dict[str, Any] = {
        "broker": ";".join(f"kafka://{server}" for server in servers.split(",")),
        "autodiscover": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "store": "memory://",
        "stream_buffer_maxsize": 1024,
        "stream_wait_empty": False,
        "consumer_auto_offset_reset": "earliest",
        "broker_session_timeout": settings.kafka.session_timeout_seconds,
        "broker_heartbeat_interval": settings.kafka.session_timeout_seconds / 4,
        "broker_commit_interval": 1.0,
        "broker_max_poll_interval": 600.0,
        "consumer_max_fetch_size": 4 * 2**20,
        "datadir": str(settings.home / "faust"),
    }
    if settings.kafka.member:
        options["consumer_group_instance_id"] = settings.kafka.member
    credentials = _credentials(settings)
    if credentials is not None:
        options["broker_credentials"] = credentials
    return options


def _credentials(settings: Settings) -> object | None:
    kafka = settings.kafka
    if kafka.security_protocol == "PLAINTEXT":
        return None
    import ssl

    context = ssl.create_default_context(cafile=str(kafka.ssl_ca_location) if kafka.ssl_ca_location else None)
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        mechanism=kafka.sasl_mechanism or "SCRAM-SHA-512",
        ssl_context=context if kafka.security_protocol == "SASL_SSL" else None,
    )
