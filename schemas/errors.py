"""The errors of the system. Whether one is permanent or transient is decided where it is made.

TdcError
├── UsageError           wrong flag, file or setting: exit code 2, no stack trace
├── PermanentError       this input can never be processed: to dead-letters, then on
│   ├── InvalidWireFormat    not Confluent wire format
│   ├── UnknownSchema        the registry does not know the schema id
│   ├── UndecodableRecord    the bytes do not fit their schema
│   └── InvalidRecord        decoded, but breaks a rule of the contract
├── TransientError       try again in place, with a bound
│   ├── RegistryUnavailable
│   ├── StateUnavailable     Redis is away, loading or full
│   ├── BrokerUnavailable
│   └── StorageUnavailable   the object store is away
├── LeaseLost            another worker owns the partition: drop the work, do not acknowledge
└── Stalled              something stands still without an error: end the process and start it anew

Messages never hold content of a record: it may be personal.
"""


class TdcError(Exception):
    """Base of all errors this project raises on purpose."""


class UsageError(TdcError):
    """What the user asked for cannot be done as asked."""


class PermanentError(TdcError):
    """The input can never be processed."""


class InvalidWireFormat(PermanentError):
    """The bytes are not Confluent wire format."""


class UnknownSchema(PermanentError):
    """The registry does not know the schema id."""


class UndecodableRecord(PermanentError):
    """The bytes do not fit the schema they claim."""


class InvalidRecord(PermanentError):
    """The record decodes but breaks a rule of its contract."""


class TransientError(TdcError):
    """Trying again later may succeed."""


class RegistryUnavailable(TransientError):
    """The schema registry does not answer."""


class StateUnavailable(TransientError):
    """Redis does not answer, is loading, or is full."""


class BrokerUnavailable(TransientError):
    """Kafka does not answer."""


class StorageUnavailable(TransientError):
    """The object store does not answer."""


class LeaseLost(TdcError):
    """Another worker owns the partition now."""


class Stalled(TdcError):
    """Something stands still without an error, and what can be done inside the process did not help."""
