"""Write the schema that the producer ships, from the one of the repository: `python producer/regenerate_schema.py`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def regenerate() -> Path:
    """Write `EventBatch.avsc` and return its path. Not part of the distribution: it needs the whole repository."""
    sys.path.insert(0, str(HERE.parent))
    from schemas.contracts import registered_schema

    target = HERE / "training_data_producer" / "EventBatch.avsc"
    target.write_text(registered_schema("EventBatch") + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    regenerate()
