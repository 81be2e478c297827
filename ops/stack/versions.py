"""Pinned versions and the settings that every way of running the stack must share.

`docker-compose.yml` repeats these values (YAML cannot import); a unit test holds the two together.
"""

from typing import Final

KAFKA_VERSION: Final = "4.1.1"
KAFKA_SCALA: Final = "2.13"
SLF4J_VERSION: Final = "1.7.36"
REGISTRY_VERSION: Final = "3.0.9"
VERSITYGW_VERSION: Final = "v1.8.0"
MAVEN_DEPENDENCY_PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"

# sha256 of the registry's archive; the Kafka jars have their own list, `kafka_jars.sha256`.
REGISTRY_SHA256: Final = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43"

JAVA_MINIMUM: Final = 17
# 6.2 brought COPY, GETDEL and the stream and script semantics that the stages' Lua relies on.
REDIS_MINIMUM: Final = (6, 2)

# One trace may be re-emitted as one message, so a message is far larger than Kafka's 1 MiB default.
MESSAGE_MAX_BYTES: Final = 48 * 1024 * 1024
KAFKA_HEAP: Final = "512m"
REGISTRY_HEAP: Final = "384m"

REDIS_MAXMEMORY: Final = "4gb"
# State must never be evicted: a full Redis refuses writes, and intake pauses until there is room.
REDIS_MAXMEMORY_POLICY: Final = "noeviction"
REDIS_APPENDFSYNC: Final = "everysec"

S3_BUCKET: Final = "tdc"
S3_REGION: Final = "us-east-1"

DEFAULT_HOME: Final = ".tdc"
DEFAULT_PORT_BASE: Final = 19090
