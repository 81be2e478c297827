"""A research agent: looks a figure up in local pages over real HTTP, in spite of pages that fail, and reports it.

`python -m ops.demo.agents.research --bootstrap HOST:PORT --registry URL --pages URL --seed N --runs N`
"""

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from ops.demo.agents.common import Job, arguments, work
from ops.demo.agents.session import Outcome, Session, Tool, ToolFailure
from ops.demo.library import YEAR, Subject, subject
from ops.demo.scripted_model import Move
from training_data_producer import Agent, current_trace

_FIRST_TIMEOUT_SECONDS = 0.25
_PATIENT_TIMEOUT_SECONDS = 0.6
_ENOUGH_SOURCES = 2
_FIGURE = re.compile(r"In (\d{4}), .{1,80}? stood at ([\d.]+) ")
_PROMPT = (
    "You are a research agent. Find the figure the user asks for in published sources, prefer two that agree, "
    "never guess, and say which sources you used and which you could not read."
)
_STATUS_KINDS = {403: "blocked", 404: "not_found", 500: "server_error", 504: "timeout"}


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data.strip())


def get(job: Job, path: str, timeout_seconds: float) -> str:
    """Body of a page. Raises ToolFailure with what the server said."""
    trace = current_trace()
    request = urllib.request.Request(job.pages + path, headers={"traceparent": trace.traceparent} if trace else {})
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode(errors="replace")
        raise ToolFailure(
            _STATUS_KINDS.get(error.code, "http_error"), f"HTTP {error.code} from {path}: {said}"
        ) from None
    except (TimeoutError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise ToolFailure("timeout", f"no answer from {path} within {timeout_seconds:g} s") from None
        raise ToolFailure("connection", f"{path} cannot be reached: {reason}") from None


def toolbox(job: Job, about: Subject) -> tuple[Tool, ...]:
    """What the agent can do, for real."""

    def search(query: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(get(job, f"/search?q={about.number}", _PATIENT_TIMEOUT_SECONDS))
        return found

    def fetch(url: str, timeout_seconds: str) -> dict[str, Any]:
        text = get(job, url, float(timeout_seconds))
        reader = _Text()
        reader.feed(text)
        return {"status": 200, "url": url, "bytes": len(text), "text": "\n".join(filter(None, reader.parts))}

    def write_report(path: str, content: str) -> dict[str, Any]:
        target = job.directory / path
        target.write_text(content, encoding="utf-8")
        return {"path": path, "bytes": target.stat().st_size}

    return (
        Tool("search", "Find published sources on a question", {"query": "what to look for"}, search,
             lambda given: {"tool": "WebSearch", "parameters": dict(given)}),
        Tool("fetch", "Read one page", {"url": "path of the page", "timeout_seconds": "how long to wait"}, fetch,
             lambda given: {"tool": "WebFetch", "parameters": {"url": given["url"]}}),
        Tool("write_report", "Save the report", {"path": "file name", "content": "Markdown"}, write_report,
             lambda given: {"tool": "Write", "file_path": given["path"], "parameters": dict(given)}),
    )  # fmt: skip


@dataclass(frozen=True)
class _Note:
    """A figure found in a source."""

    url: str
    value: str
    year: int


class _Research:
    """The state of one run, and the policy that plays the model: next action from what is known so far."""

    def __init__(self, job: Job, trace: Agent, about: Subject, tools: tuple[Tool, ...]) -> None:
        self._job = job
        self._trace = trace
        self._about = about
        self._desk = Session(trace, tools)
        self._notes: list[_Note] = []
        self._unread: list[str] = []

    def run(self) -> None:
        self._desk.model.read(_PROMPT)
        self._desk.hear(self._about.question)
        urls = self._find()
        self._read(urls)
        self._report()

    def _find(self) -> list[str]:
        about = self._about
        query = f"{about.market} {about.region} {about.measure} {YEAR}"
        with self._trace.step("Find sources", inputs={"question": about.question}) as step:
            found = self._desk.act(Move(
                reasoning=f"I need published figures on {about.market} in {about.region}; searching for the measure "
                          f"and the year should bring official and trade sources.",
                tool="search", arguments={"query": query},
            ))  # fmt: skip
            hits = found.value["results"] if found.ok else []
            self._job.announce(self._trace)
            step.complete(outputs={"sources": len(hits)}, success=found.ok)
            self._trace.state(
                current_step="Find sources", progress_percentage=25, variables={"sources_found": len(hits)}
            )
        return [hit["url"] for hit in hits]

    def _read(self, urls: list[str]) -> None:
        if not urls:
            return
        decision = self._trace.decision(
            context=f"Which source to read first for {self._about.market} in {self._about.region}",
            options=[
                {"option": urls[0], "pros": ["official figures", "names its method"], "cons": ["often slow"],
                 "estimated_cost_usd": 0.0002, "estimated_time_seconds": 0.2},
                {"option": urls[-1], "pros": ["fast"], "cons": ["opinion, figures second-hand"],
                 "estimated_cost_usd": 0.0002, "estimated_time_seconds": 0.05},
            ],
            choice=urls[0],
            reasoning="Official figures outweigh speed here: one reliable number settles the question.",
            confidence=0.8,
        )  # fmt: skip
        began, spent = time.perf_counter(), self._desk.model.spent_usd
        with self._trace.step("Read sources", inputs={"sources": urls}) as step:
            for place, url in enumerate(urls):
                note = self._fetch(url, first=place == 0)
                if place == 0:
                    decision.outcome(
                        success=note is not None,
                        actual_cost_usd=self._desk.model.spent_usd - spent,
                        actual_time_seconds=time.perf_counter() - began,
                        quality=1.0 if note else 0.0,
                    )
                if len(self._notes) >= _ENOUGH_SOURCES:
                    break
            step.complete(outputs={"figures": [note.value for note in self._notes]}, success=bool(self._notes))
            self._trace.state(
                current_step="Read sources",
                progress_percentage=75,
                variables={"figures_found": len(self._notes), "sources_unreadable": len(self._unread)},
            )

    def _fetch(self, url: str, *, first: bool) -> _Note | None:
        """Read one source; ask once more where that may help, else say that it moves on."""
        known = ", ".join(f"{note.value} ({note.year})" for note in self._notes)
        why = (
            f"{url} is the official source, so it comes first."
            if first
            else f"So far I have {known or 'no figure'}; {url} is the next source that may confirm it."
        )
        arguments = {"url": url, "timeout_seconds": f"{_FIRST_TIMEOUT_SECONDS:g}"}
        outcome = self._desk.act(Move(reasoning=why, tool="fetch", arguments=arguments))
        if outcome.error and outcome.error_kind in ("timeout", "server_error"):
            again = self._again(url, outcome)
            outcome.error.recovery(f"asked {url} again with more patience", worked=again.ok)
            outcome = again
        if outcome.error:
            self._unread.append(url)
            if outcome.error_kind in ("blocked", "not_found"):
                outcome.error.recovery("left the source out and went on to the next one")
            return None
        match = _FIGURE.search(outcome.value["text"])
        if match is None:
            return None
        note = _Note(url, match[2], int(match[1]))
        self._notes.append(note)
        return note

    def _again(self, url: str, before: Outcome) -> Outcome:
        return self._desk.act(Move(
            reasoning=f"{url} gave {before.error_kind} after {before.seconds:.2f} s. That can pass, so I ask once "
                      f"more and wait up to {_PATIENT_TIMEOUT_SECONDS:g} s before I turn to another source.",
            tool="fetch", arguments={"url": url, "timeout_seconds": f"{_PATIENT_TIMEOUT_SECONDS:g}"},
        ))  # fmt: skip

    def _report(self) -> None:
        if not self._notes:
            self._desk.say(
                f"All of {', '.join(self._unread) or 'the sources'} failed; a figure without a source is a guess.",
                "I could not read any source, so I cannot give you a figure.",
            )
            self._trace.complete("failed", reason="no source could be read", reward=0.0,
                                 cost_usd=self._desk.model.spent_usd)  # fmt: skip
            return
        best = max(self._notes, key=lambda note: note.year)
        agreeing = [note.url for note in self._notes if note.value == best.value]
        answer = f"{best.value} {self._about.unit} ({best.year}), according to {' and '.join(agreeing)}."
        if self._unread:
            answer += f" Could not be read: {', '.join(self._unread)}."
        with self._trace.step("Write report", inputs={"figures": len(self._notes)}) as step:
            written = self._desk.act(Move(
                reasoning=f"{len(agreeing)} of {len(self._notes)} figures say {best.value} for {best.year}; that is "
                          f"what I can stand for.",
                tool="write_report",
                arguments={"path": f"{self._about.slug}.md", "content": f"# {self._about.question}\n\n{answer}\n"},
            ))  # fmt: skip
            step.complete(outputs=written.value, success=written.ok)
            self._trace.state(current_step="Write report", progress_percentage=100, variables={"answer": best.value})
        self._desk.say(f"The report is saved; the answer rests on {len(agreeing)} source(s).", answer)
        self._grade(best.value)

    def _grade(self, value: str) -> None:
        path = f"/grade?subject={self._about.number}&value={value}"
        grade = json.loads(get(self._job, path, _PATIENT_TIMEOUT_SECONDS))
        self._trace.complete(
            "successful",
            outputs={"answer": value, "sources": [note.url for note in self._notes]},
            reward=grade["reward"],
            reward_details={"grader": "figure within 0.5 % of the truth"},
            cost_usd=self._desk.model.spent_usd,
        )


def run(job: Job) -> None:
    """One run: search, decide on a source, read until two agree, report, be graded."""
    about = subject(job.task_number)
    tools = toolbox(job, about)
    with job.trace(
        kind="research",
        agent="ResearchAgent",
        task=about.slug,
        goal=f"Find and report: {about.question}",
        system_prompt=_PROMPT,
        tools=tools,
        inputs={"question": about.question},
        constraints=("never guess", f"time_limit: {_PATIENT_TIMEOUT_SECONDS:g}_seconds_per_page"),
    ) as trace:
        _Research(job, trace, about, tools).run()


def main() -> None:
    """Entry point of the process."""
    work(arguments(__doc__.splitlines()[0]).parse_args(), run)


if __name__ == "__main__":
    main()
