"""The bound on bytes between reading and applying."""

import asyncio

from streams.in_flight import InFlight


def test_reading_waits_until_something_is_applied() -> None:
    async def scenario() -> None:
        flight = InFlight(100)
        await flight.take(0, 0, 60)
        await flight.take(1, 0, 40)
        waiting = asyncio.create_task(flight.take(0, 1, 30))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        flight.applied(1, 1)
        await asyncio.wait_for(waiting, 1)
        assert flight.held_bytes == 90

    asyncio.run(scenario())


def test_a_message_larger_than_the_bound_passes_alone() -> None:
    async def scenario() -> None:
        flight = InFlight(100)
        await asyncio.wait_for(flight.take(0, 0, 1000), 1)
        waiting = asyncio.create_task(flight.take(0, 1, 1))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        flight.applied(0, 1)
        await asyncio.wait_for(waiting, 1)

    asyncio.run(scenario())


def test_what_is_read_again_counts_once_and_what_was_dropped_does_not_stay() -> None:
    async def scenario() -> None:
        flight = InFlight(100)
        for offset in (0, 1, 2, 1, 2):
            await flight.take(0, offset, 30)
        assert flight.held_bytes == 90
        flight.applied(0, 3)
        assert flight.held_bytes == 0
        await flight.take(0, 3, 50)
        flight.forget()
        assert flight.held_bytes == 0
        await asyncio.wait_for(flight.take(0, 0, 100), 1)

    asyncio.run(scenario())
