"""Two agents and a customer: one talks, the other computes on a real database; the customer corrects them.

`python -m ops.demo.agents.handoff --bootstrap HOST:PORT --registry URL --seed N --runs N`

In some runs the second agent is a process of its own that continues the trace (`--analyst`).
"""

import argparse
import json
import sqlite3
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.demo.agents.common import Job, arguments, open_producer, work
from ops.demo.agents.session import Session, Tool, ToolFailure
from ops.demo.scripted_model import NAME, PROVIDER, Move
from ops.demo.shop import Question, customer_email, make_database, question, run_sql, true_answer
from training_data_producer import Agent, current_scope

_HELPER_SECONDS = 20.0
_PROMPT = (
    "You answer customers of a small shop. Look the customer up, hand questions about sums to the AnalystAgent, and "
    "take corrections seriously: the customer decides what was meant."
)
_ANALYST_PROMPT = (
    "You answer one question about orders with SQL on the shop's database. Check the schema when in doubt."
)
_SCHEMA_SQL = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"


@dataclass(frozen=True)
class Task:
    """What the first agent asks of the second."""

    database: str
    customer_id: int
    month: str
    without_returns: bool
    guesses_column: bool
    """Whether the script first uses a column that does not exist."""


def analyst_tools(database: Path) -> tuple[Tool, ...]:
    """What the second agent can do, for real."""

    def sql(query: str) -> dict[str, Any]:
        try:
            return {"rows": run_sql(database, query)}
        except sqlite3.Error as error:
            raise ToolFailure(type(error).__name__, str(error)) from None

    return (
        Tool("sql", "Run one reading SQL statement", {"query": "SQL"}, sql,
             lambda given: {"tool": "Bash", "parameters": {"command": f'sqlite3 shop.db "{given["query"]}"'}}),
    )  # fmt: skip


def analyse(agent: Agent, task: Task, tools: tuple[Tool, ...]) -> int:
    """The second agent's work; gives cents."""
    desk = Session(agent, tools, call_prefix="analyst")
    desk.model.read(_ANALYST_PROMPT)
    with agent as scope:
        if task.guesses_column:
            guess = desk.act(Move(
                reasoning=f"The sum of what customer {task.customer_id} paid in month {task.month} is a single query.",
                tool="sql", arguments={"query": _sum_sql(task, "amount")},
            ))  # fmt: skip
            if guess.error:
                schema = desk.act(Move(
                    reasoning="There is no column `amount`; the schema will say what the money is called.",
                    tool="sql", arguments={"query": _SCHEMA_SQL},
                ))  # fmt: skip
                guess.error.recovery("looked into the schema", worked=schema.ok)
        rows = desk.act(Move(
            reasoning="Summing net_cents of the month's orders"
            + (" that were not returned, as the customer means it." if task.without_returns else "."),
            tool="sql", arguments={"query": _sum_sql(task, "net_cents")},
        ))  # fmt: skip
        cents = int(rows.value["rows"][0][0]) if rows.ok else 0
        scope.complete("successful" if rows.ok else "failed", outputs={"cents": cents}, cost_usd=desk.model.spent_usd)
    return cents


def _sum_sql(task: Task, column: str) -> str:
    kept = " AND returned = 0" if task.without_returns else ""
    return (
        f"SELECT coalesce(sum({column}), 0) FROM orders WHERE customer_id = {task.customer_id} "
        f"AND substr(ordered_on, 6, 2) = '{task.month}'{kept}"
    )


class _Desk:
    """The state of one run, and the policy that plays the first agent's model."""

    def __init__(self, job: Job, trace: Agent, database: Path, asked: Question, tools: tuple[Tool, ...]) -> None:
        self._job = job
        self._trace = trace
        self._database = database
        self._asked = asked
        self._desk = Session(trace, tools)

    def run(self) -> None:
        asked = self._asked
        self._desk.model.read(_PROMPT)
        self._desk.hear(
            f"Hello, I am {asked.email}. How much did I spend with you in {asked.month_name}?", name="customer"
        )
        customer = self._look_up()
        self._decide()
        answer, span_id = self._hand_over(customer, without_returns=False)
        self._say(answer, f"The analyst found {answer} cents for {asked.month_name}.")
        stubborn = self._job.task_number % 7 == 3
        if asked.meant_without_returns:
            answer = self._corrected(customer, answer, span_id, stubborn=stubborn)
        right = answer == true_answer(self._database, asked)
        if right:
            self._desk.hear("Yes, that is right. Thank you!", name="customer")
            self._trace.feedback(rating=1.0, human_validated=True, comment="the sum is right")
        else:
            self._desk.hear("That is still the wrong sum. I will ask somebody else.", name="customer")
            self._trace.feedback(rating=0.1, human_validated=False, comment="the correction was not understood")
        self._trace.complete(
            "successful" if right else "failed",
            outputs={"cents": answer},
            reward=1.0 if right else 0.0,
            reward_details={"grader": "the sum the customer meant"},
            cost_usd=self._desk.model.spent_usd,
        )

    def _look_up(self) -> int:
        with self._trace.step("Identify customer", inputs={"email": self._asked.email}) as step:
            found = self._desk.act(Move(
                reasoning=f"The customer says who they are: {self._asked.email}. I need their number for the orders.",
                tool="lookup_customer", arguments={"email": self._asked.email},
            ))  # fmt: skip
            self._job.announce(self._trace)
            step.complete(outputs=found.value, success=found.ok)
            self._trace.state(
                current_step="Identify customer", progress_percentage=30, variables={"customer": found.value}
            )
        return int(found.value["id"])

    def _decide(self) -> None:
        self._trace.decision(
            context=f"Who works out the sum for {self._asked.month_name}",
            options=[
                {"option": "AnalystAgent", "pros": ["computes on the orders themselves"], "cons": ["a hand-over"],
                 "estimated_cost_usd": 0.0006, "estimated_time_seconds": 0.1},
                {"option": "estimate from memory", "pros": ["no waiting"], "cons": ["may be wrong about money"],
                 "estimated_cost_usd": 0.0001, "estimated_time_seconds": 0.02},
            ],
            choice="AnalystAgent",
            reasoning="It is about money: a computed sum, not an estimate.",
            confidence=0.95,
        ).outcome(success=True, quality=1.0)  # fmt: skip

    def _hand_over(self, customer: int, *, without_returns: bool) -> tuple[int, str]:
        task = f"orders of customer {customer} in month {self._asked.month}"
        task += ", without what was returned" if without_returns else ""
        with self._trace.step("Hand over", inputs={"task": task}) as step:
            done = self._desk.act(Move(
                reasoning=f"The AnalystAgent has the database; the task is precise now: sum up {task}.",
                tool="hand_over",
                arguments={"customer_id": str(customer), "month": self._asked.month,
                           "without_returns": "yes" if without_returns else "no"},
            ))  # fmt: skip
            step.complete(outputs=done.value, success=done.ok)
            self._trace.state(current_step="Hand over", progress_percentage=70, variables={"result": done.value})
        return int(done.value["cents"]) if done.ok else 0, done.span_id

    def _corrected(self, customer: int, answer: int, span_id: str, *, stubborn: bool) -> int:
        words = "No, I sent some of it back. Please count only what I kept."
        self._desk.hear(words, name="customer")
        self._trace.feedback(rating=0.3, human_validated=False, correction=words, target_span_id=span_id)
        if stubborn:
            self._say(answer, "The orders do add up to this sum; I repeat it.")
            return answer
        answer, _ = self._hand_over(customer, without_returns=True)
        self._say(answer, f"Without what was returned it is {answer} cents: that is what the customer meant.")
        return answer

    def _say(self, cents: int, why: str) -> None:
        self._desk.say(why, f"In {self._asked.month_name} you spent {cents / 100:.2f} EUR with us.")


def toolbox(job: Job, database: Path) -> tuple[Tool, ...]:
    """What the first agent can do, for real."""

    def lookup_customer(email: str) -> dict[str, Any]:
        known = {customer_email(number): number + 1 for number in range(4)}
        if email not in known:
            raise ToolFailure("not_found", f"no customer with the address {email}")
        rows = run_sql(database, f"SELECT id, name, email, phone FROM customers WHERE id = {known[email]}")
        return dict(zip(("id", "name", "email", "phone"), rows[0], strict=True))

    def hand_over(customer_id: str, month: str, without_returns: str) -> dict[str, Any]:
        scope = current_scope()
        task = Task(str(database), int(customer_id), month, without_returns == "yes", job.task_number % 4 == 2)
        if scope is None:
            raise ToolFailure("no_scope", "there is nothing to hand over from")
        if job.command and job.number % 5 == 4:
            return {"cents": _in_another_process(job, scope.traceparent, task), "by": "AnalystAgent"}
        tools = analyst_tools(database)
        agent = scope.agent(**_start_of(task, tools))
        return {"cents": analyse(agent, task, tools), "by": "AnalystAgent"}

    return (
        Tool("lookup_customer", "Find a customer by e-mail address", {"email": "address"}, lookup_customer,
             lambda given: {"tool": "Bash", "parameters": {"command": "sqlite3 shop.db"}}),
        Tool("hand_over", "Let the AnalystAgent sum up orders",
             {"customer_id": "number", "month": "two digits", "without_returns": "yes or no"}, hand_over,
             lambda given: {"tool": "Task", "parameters": {"subagent_type": "analyst", "prompt": json.dumps(given)}}),
    )  # fmt: skip


def _start_of(task: Task, tools: tuple[Tool, ...]) -> dict[str, Any]:
    return {
        "name": "AnalystAgent",
        "goal": f"Sum of orders in month {task.month}",
        "system_prompt": _ANALYST_PROMPT,
        "tools": [tool.definition() for tool in tools],
    }


def _in_another_process(job: Job, traceparent: str, task: Task) -> int:
    command = [sys.executable, "-m", "ops.demo.agents.handoff", *job.command]
    command += ["--analyst", json.dumps(asdict(task)), "--traceparent", traceparent, "--consent", job.consent()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_HELPER_SECONDS, check=True)
        return int(json.loads(done.stdout)["cents"])
    except (subprocess.SubprocessError, ValueError) as error:
        raise ToolFailure(type(error).__name__, "the analyst's process failed") from None


def _analyst_process(options: argparse.Namespace) -> None:
    task = Task(**json.loads(options.analyst))
    tools = analyst_tools(Path(task.database))
    details = _start_of(task, tools)
    with open_producer(options) as producer:
        agent = producer.trace(
            scenario="demo-handoff", agent=details.pop("name"), consent=options.consent, model=(PROVIDER, NAME),
            traceparent=options.traceparent, **details,
        )  # fmt: skip
        cents = analyse(agent, task, tools)
    sys.stdout.write(json.dumps({"cents": cents}) + "\n")


def run(job: Job) -> None:
    """One run: a customer asks, is answered, and may correct the answer."""
    asked = question(job.task_number)
    database = job.directory / "shop.db"
    make_database(database, job.task_number)
    tools = toolbox(job, database)
    with job.trace(
        kind="handoff",
        agent="FrontDeskAgent",
        task=f"spent-in-{asked.month_name.lower()}-{job.task_number}",
        goal=f"Tell the customer what they spent in {asked.month_name}",
        system_prompt=_PROMPT,
        tools=tools,
        constraints=("sums are computed, never estimated",),
    ) as trace:
        _Desk(job, trace, database, asked, tools).run()


def main() -> None:
    """Entry point of the process."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--analyst", help="be the second agent: its task, JSON")
    parser.add_argument("--traceparent", help="trace to continue")
    parser.add_argument("--consent", default="unknown", help="consent of the trace that is continued")
    options = parser.parse_args()
    if options.analyst:
        _analyst_process(options)
    else:
        work(options, run)


if __name__ == "__main__":
    main()
