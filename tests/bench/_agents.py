"""Agents at work, as a process of its own: traces of twenty events through the SDK, eight of them side by side.

Texts are sentences with names, places, addresses and numbers in them, about 470 bytes an event as Avro. Prints JSON:
when it began and when each trace ended, by the clock, and the CPU time from the first emit until all was delivered.
`python -m tests.bench._agents --servers S --registry URL --traces N`
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence

from training_data_producer import Producer
from training_data_producer.trace import Agent

EVENTS_EACH = 20
_SIDE_BY_SIDE = 8
_TURNS = 5
_NAMES = ("Anna Ivanova", "Mia Li", "Omar Haddad", "Lucas Brown", "Sofia Rossi", "Noah Kim", "Yara Costa")
_PLACES = ("Rome", "Denver", "Osaka", "Lagos", "Lyon", "Austin", "Perth", "Quito", "Tampere")
_SENTENCES = (
    "{name} called about order {number} and asked to have it sent to {place}.",
    "The price for {place} went up to {number} since the last look.",
    "Write to {mail} when the refund of {number} is booked.",
    "According to the policy a change within 24 hours is free for {name}.",
    "I compare the offers of both vendors before I book anything.",
    "The flight to {place} leaves at 10:40 and has {number} seats left.",
    "Her phone is +1 415-555-{digits}, she lives at {digits} Cedar Street.",
    "No booking was found under {number}; the search is tried again with the last name.",
)


def text(rng: random.Random, sentences: int) -> str:
    """Some sentences."""
    made = []
    for sentence in rng.choices(_SENTENCES, k=sentences):
        name = rng.choice(_NAMES)
        made.append(
            sentence.format(
                name=name, place=rng.choice(_PLACES), number=rng.randrange(10**6), digits=rng.randrange(1000, 9999),
                mail=name.lower().replace(" ", ".") + f"{rng.randrange(1000)}@example.org",
            )
        )  # fmt: skip
    return " ".join(made)


_SAID = (4, *(count for _ in range(_TURNS) for count in (1, 4, 6)), 2, 3)
"""Sentences of each text of a run, in order."""


def words_of(number: int) -> list[str]:
    """The texts of one run."""
    rng = random.Random(number)
    return [text(rng, count) for count in _SAID]


def run(agent: Agent, words: Iterator[str]) -> Iterator[None]:
    """One run, event by event; it has ended when this is exhausted."""
    agent.start()
    yield
    agent.user_message(next(words))
    yield
    for turn in range(_TURNS):
        arguments = {"query": next(words), "limit": 20 + turn}
        usage = {"input_tokens": 900 + 300 * turn, "output_tokens": 120}
        agent.model_call(output={"role": "assistant", "content": next(words)}, usage=usage)
        yield
        with agent.tool("Search", arguments) as call:
            yield
            call.result({"found": next(words), "hits": turn})
        yield
    agent.decision(choice="book", options=["book", "ask"], reasoning=next(words), confidence=0.8)
    yield
    agent.model_call(output={"role": "assistant", "content": next(words)})
    yield
    agent.complete("successful")
    agent.end()


def produce(producer: Producer, numbers: Sequence[int], per_second: float | None) -> dict[str, object]:
    """All traces; `per_second` of them, or as fast as it goes. What they say is made before the clock starts."""
    waiting = [words_of(number) for number in reversed(numbers)]
    ended: dict[str, float] = {}
    open_runs: list[tuple[Agent, Iterator[None]]] = []
    began, used = time.time(), time.process_time()
    while waiting or open_runs:
        while waiting and len(open_runs) < _SIDE_BY_SIDE:
            words = iter(waiting.pop())
            agent = producer.trace(scenario="Travel", agent="Scout", consent="granted", model=("anthropic", "claude"))
            open_runs.append((agent, run(agent, words)))
        for agent, events in list(open_runs):
            if next(events, "over") == "over":
                open_runs.remove((agent, events))
                ended[agent.trace_id] = time.time()
                if per_second is not None:
                    time.sleep(max(0.0, began + len(ended) / per_second - time.time()))
    producer.flush(120)
    return {"began": began, "ended": ended, "cpu_seconds": time.process_time() - used}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--traces", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first trace: other numbers, other texts")
    parser.add_argument("--per-second", type=float, help="traces a second; as fast as it goes when not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as spool:
        producer = Producer(options.servers, options.registry, spool_directory=spool, queue_bytes=256 * 2**20)
        said = produce(producer, range(options.first, options.first + options.traces), options.per_second)
        producer.close(60)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
