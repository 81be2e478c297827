"""No empty assignment: a broker that has just come back may not know its topics yet."""

from collections.abc import Callable
from typing import Any

import faust
import pytest

from streams import runtime


class Cluster:
    """What aiokafka knows of the cluster."""

    def __init__(self, partitions: set[int] | None) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self._partitions


@pytest.fixture
def assign(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cluster], Any]:
    class Left(Exception):
        pass

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(runtime, "leave", leave)
    app: Any = faust.App("assignor-test", broker="kafka://127.0.0.1:1", store="memory://", autodiscover=False)
    app.conf.PartitionAssignor = runtime._assignor("traces")
    assert type(app.assignor).__name__ == "StateAssignor"

    def call(cluster: Cluster) -> Any:
        try:
            return app.assignor.assign(cluster, {})
        except Left as left:
            return left.args[0]

    return call


def test_a_worker_leaves_rather_than_give_out_nothing(assign: Callable[[Cluster], Any]) -> None:
    assert assign(Cluster(None)) == runtime.EXIT_STATE_LOST
    assert assign(Cluster(set())) == runtime.EXIT_STATE_LOST


def test_a_known_topic_is_given_out(assign: Callable[[Cluster], Any]) -> None:
    assert assign(Cluster({0, 1})) == {}
