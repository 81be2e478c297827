"""A bug-fixing agent: reads and edits real files and runs real tests until they pass, or gives up and says so.

`python -m ops.demo.agents.bugfix --bootstrap HOST:PORT --registry URL --seed N --runs N`
"""

import re
import time
from typing import Any, Literal

from ops.demo.agents.common import Job, arguments, work
from ops.demo.agents.session import Outcome, Session, Tool, ToolFailure
from ops.demo.bugs import BUGS, Bug, broken_package
from ops.demo.scripted_model import Move
from ops.demo.workspace import Workspace
from training_data_producer import Agent

Plan = Literal["straight", "half_right_first", "misquotes", "gives_up"]
_PLANS: tuple[Plan, ...] = ("straight", "half_right_first", "misquotes", "half_right_first", "gives_up")
_PROMPT = (
    "You are a bug-fixing agent in a small Python repository. Reproduce the failure with the tests, make the smallest "
    "change that fixes its cause, run all tests again, and claim success only when they pass."
)
_FAILED_TEST = re.compile(r"^(?:FAIL|ERROR): (\w+)", re.MULTILINE)


def toolbox(workspace: Workspace) -> tuple[Tool, ...]:
    """What the agent can do, for real."""

    def read_file(path: str) -> dict[str, Any]:
        try:
            return {"path": path, "content": workspace.read(path)}
        except (OSError, ValueError) as error:
            raise ToolFailure(type(error).__name__, f"cannot read {path}") from None

    def edit_file(path: str, old: str, new: str) -> dict[str, Any]:
        try:
            return {"path": path, "line": workspace.edit(path, old, new)}
        except (OSError, ValueError) as error:
            raise ToolFailure(type(error).__name__, str(error)) from None

    def run_tests() -> dict[str, Any]:
        done = workspace.run_tests()
        result = {"exit_code": done.exit_code, "output": done.output}
        if not done.passed:
            raise ToolFailure("tests_failed", done.output, result)
        return result

    return (
        Tool("list_files", "List the Python files", {}, lambda: {"files": workspace.list_files()},
             lambda given: {"tool": "Glob", "parameters": {"pattern": "**/*.py"}}),
        Tool("read_file", "Read a file", {"path": "path in the repository"}, read_file,
             lambda given: {"tool": "Read", "file_path": given["path"]}),
        Tool("edit_file", "Replace a text that stands once in a file",
             {"path": "path in the repository", "old": "text to replace", "new": "text to put there"}, edit_file,
             lambda given: {"tool": "Edit", "file_path": given["path"],
                            "parameters": {"old_string": given["old"], "new_string": given["new"]}}),
        Tool("run_tests", "Run all tests", {}, run_tests,
             lambda given: {"tool": "Bash", "parameters": {"command": "python -m unittest discover -t . -s tests"}}),
    )  # fmt: skip


def plan_of(task_number: int) -> Plan:
    """How the script deals with task `task_number`."""
    return _PLANS[task_number % len(_PLANS)]


class _BugFix:
    """The state of one run, and the policy that plays the model."""

    def __init__(self, job: Job, trace: Agent, bug: Bug, tools: tuple[Tool, ...]) -> None:
        self._job = job
        self._trace = trace
        self._bug = bug
        self._desk = Session(trace, tools)
        self._standing = bug.wrong
        """What stands in the place of the bug now."""
        self._runs = 0

    def run(self, plan: Plan) -> None:
        self._desk.model.read(_PROMPT)
        self._desk.hear(f"{self._bug.report} Please find out why and fix it.")
        broken = self._reproduce()
        fixed = self._fix(plan, broken)
        self._close(fixed)

    def _reproduce(self) -> Outcome:
        with self._trace.step("Reproduce", inputs={"report": self._bug.report}) as step:
            files = self._desk.act(Move(
                reasoning=f"The report says: {self._bug.report} I need to see which module that can be.",
                tool="list_files",
            )).value["files"]  # fmt: skip
            self._job.announce(self._trace)
            tests = self._desk.act(Move(
                reasoning=f"{len(files)} files, with tests among them: running them should show the failure.",
                tool="run_tests",
            ))  # fmt: skip
            failing = _failing(tests)
            self._desk.act(Move(
                reasoning=f"{', '.join(failing)} fails; the code under test is in {self._bug.path}.",
                tool="read_file", arguments={"path": self._bug.path},
            ))  # fmt: skip
            step.complete(outputs={"failing_tests": failing}, success=True)
            self._progress("Reproduce", 35, failing)
        return tests

    def _fix(self, plan: Plan, broken: Outcome) -> bool:
        bug = self._bug
        quick = plan in ("half_right_first", "gives_up")
        decision = self._trace.decision(
            context=f"How to fix {', '.join(_failing(broken))} in {bug.path}",
            options=[
                {"option": bug.half_right, "pros": ["fits the example in the report"], "cons": ["may miss other cases"],
                 "estimated_cost_usd": 0.001, "estimated_time_seconds": 0.2},
                {"option": bug.right, "pros": ["follows what the docstring says"], "cons": ["a little longer"],
                 "estimated_cost_usd": 0.0012, "estimated_time_seconds": 0.2},
            ],
            choice=bug.half_right if quick else bug.right,
            reasoning="It is the smallest change that explains the report." if quick
            else "The docstring states the intent; code should say the same.",
            confidence=0.6 if quick else 0.85,
        )  # fmt: skip
        began, spent = time.perf_counter(), self._desk.model.spent_usd
        with self._trace.step("Fix", inputs={"file": bug.path}) as step:
            if plan == "misquotes":
                self._misquote()
            tests = self._try(bug.half_right if quick else bug.right, why=(
                f"`{bug.wrong}` in {bug.path} contradicts the failing test; the smallest repair is to replace it."
                if quick else f"The docstring in {bug.path} promises something `{bug.wrong}` does not do."
            ))  # fmt: skip
            decision.outcome(
                success=tests.ok,
                actual_cost_usd=self._desk.model.spent_usd - spent,
                actual_time_seconds=time.perf_counter() - began,
                quality=1.0 if tests.ok else 0.3,
            )
            if tests.error:
                tests = self._second_try(plan, tests)
            step.complete(outputs={"tests_pass": tests.ok, "test_runs": self._runs}, success=tests.ok)
            self._progress("Fix", 90, _failing(tests))
        return tests.ok

    def _misquote(self) -> None:
        """A frequent mistake: the text to replace is quoted from memory, and does not stand there."""
        old = f"{self._bug.wrong}  # old"
        outcome = self._desk.act(Move(
            reasoning=f"Replacing `{old}` in {self._bug.path} by what the docstring asks for.",
            tool="edit_file", arguments={"path": self._bug.path, "old": old, "new": self._bug.right},
        ))  # fmt: skip
        if outcome.error:
            seen = self._desk.act(Move(
                reasoning=f"The edit was refused: my quotation does not stand in {self._bug.path}. Reading it again.",
                tool="read_file", arguments={"path": self._bug.path},
            ))  # fmt: skip
            outcome.error.recovery(f"read {self._bug.path} again to quote it as it is", worked=seen.ok)

    def _second_try(self, plan: Plan, tests: Outcome) -> Outcome:
        failing = ", ".join(_failing(tests))
        gives_up = plan == "gives_up"
        again = self._try(
            self._bug.wrong if gives_up else self._bug.right,
            why=f"{failing} still fails, so `{self._standing}` is not it. "
            + ("I put the old code back and see whether that was the cause." if gives_up
               else "The test shows the case I missed; now by what the docstring says."),
        )  # fmt: skip
        if tests.error:
            tests.error.recovery("replaced the first change", worked=again.ok)
        return again

    def _try(self, new: str, why: str) -> Outcome:
        self._desk.act(Move(
            reasoning=why, tool="edit_file",
            arguments={"path": self._bug.path, "old": self._standing, "new": new},
        ))  # fmt: skip
        self._standing = new
        self._runs += 1
        return self._desk.act(Move(
            reasoning=f"Now `{new}` stands in {self._bug.path}; only the tests can tell whether that is right.",
            tool="run_tests",
        ))  # fmt: skip

    def _close(self, fixed: bool) -> None:
        bug = self._bug
        if fixed:
            self._desk.say(
                f"All tests pass after {self._runs} change(s).",
                f"Fixed in {bug.path}: `{bug.wrong}` became `{self._standing}`. All tests pass.",
            )
        else:
            self._desk.say(
                f"After {self._runs} changes tests still fail, and I have no further idea that I could defend.",
                f"I could not fix this: {bug.path} still fails its tests. The file is as it was.",
            )
        self._progress("Done", 100, [])
        self._trace.complete(
            "successful" if fixed else "failed",
            reason=None if fixed else "tests still fail",
            outputs={"file": bug.path, "tests_pass": fixed},
            reward=1.0 if fixed else 0.0,
            reward_details={"grader": "all tests pass"},
            cost_usd=self._desk.model.spent_usd,
        )

    def _progress(self, step: str, per_cent: int, failing: list[str]) -> None:
        self._trace.state(
            current_step=step,
            progress_percentage=per_cent,
            variables={"failing_tests": len(failing), "file": self._bug.path},
        )


def _failing(tests: Outcome) -> list[str]:
    return _FAILED_TEST.findall(tests.value["output"]) if tests.value else []


def run(job: Job) -> None:
    """One run on one bug, in a workspace of its own."""
    bug = BUGS[job.task_number % len(BUGS)]
    tools = toolbox(Workspace(job.directory, broken_package(bug)))
    with job.trace(
        kind="bugfix",
        agent="BugFixAgent",
        task=f"{bug.name}-{plan_of(job.task_number)}",
        goal=f"Fix: {bug.report}",
        system_prompt=_PROMPT,
        tools=tools,
        inputs={"report": bug.report},
        constraints=("smallest change", "all tests pass"),
    ) as trace:
        _BugFix(job, trace, bug, tools).run(plan_of(job.task_number))


def main() -> None:
    """Entry point of the process."""
    work(arguments(__doc__.splitlines()[0]).parse_args(), run)


if __name__ == "__main__":
    main()
