"""Things that happen at one moment: model calls, decisions, errors, changes of state, the words of people."""

from collections.abc import Sequence

from training_data_producer._bodies import Avro
from training_data_producer._ids import new_span_id
from training_data_producer._values import Values


class Decision:
    """A decision that was made."""

    def __init__(self, scope: "Moments", decision_id: str) -> None:
        self._scope = scope
        self.decision_id = decision_id

    def outcome(
        self,
        *,
        success: bool | None = None,
        actual_cost_usd: float | None = None,
        actual_time_seconds: float | None = None,
        quality: float | None = None,
    ) -> None:
        """What came of it. `quality` from 0 to 1."""
        values = self._scope._values
        body = {
            "decision_id": self.decision_id,
            "success": values.flag(success),
            "actual_cost_usd": values.number(actual_cost_usd),
            "actual_time_seconds": values.number(actual_time_seconds),
            "quality": values.number(quality),
        }
        self._scope._here("decision_outcome", body)


class RaisedError:
    """An error that was reported."""

    def __init__(self, scope: "Moments", error_id: str) -> None:
        self._scope = scope
        self.error_id = error_id

    def recovery(self, action: str, *, worked: bool | None = None) -> None:
        """What was done about it, and whether it worked."""
        values = self._scope._values
        body = {
            "error_id": self.error_id,
            "action": values.required_text(action),
            "worked": values.flag(worked),
        }
        self._scope._here("recovery_attempted", body)


class Moments:
    """What can be reported from inside any scope."""

    _values: Values
    span_id: str

    def _inner(self) -> "Moments":
        """The innermost open scope of the same agent, in this thread or task."""
        raise NotImplementedError

    def _here(self, kind: str, body: Avro) -> None:
        """Emit an event of the innermost scope's span."""
        raise NotImplementedError

    def _emit(self, kind: str, body: Avro, span_id: str, parent_span_id: str | None) -> None:
        """Emit an event."""
        raise NotImplementedError

    def model_call(
        self,
        *,
        messages: object = (),
        output: object = None,
        call_id: str | None = None,
        finish_reason: str | None = None,
        usage: object = None,
        cost_usd: float | None = None,
        latency_seconds: float | None = None,
    ) -> None:
        """One call of a language model. `messages`: what was new in the prompt; OpenAI or Anthropic shapes."""
        values = self._values
        body = {
            "call_id": values.text(call_id),
            "input_messages": values.json(messages),
            "output": values.json(output),
            "finish_reason": values.text(finish_reason),
            "usage": values.json(usage),
            "cost_usd": values.number(cost_usd),
            "latency_seconds": values.number(latency_seconds),
        }
        self._emit("model_called", body, new_span_id(), self._inner().span_id)

    def decision(
        self,
        *,
        choice: str,
        options: Sequence[object] = (),
        context: object = None,
        reasoning: str | None = None,
        confidence: float | None = None,
    ) -> Decision:
        """A choice between options (strings, or mappings with `option`, `pros`, `cons`, `estimated_cost_usd`,
        `estimated_time_seconds`). `confidence` from 0 to 1."""
        values = self._values
        decision = Decision(self._inner(), new_span_id())
        body = {
            "decision_id": decision.decision_id,
            "context": values.text(context),
            "options": values.required_json(options),
            "choice": values.required_text(choice),
            "reasoning": values.text(reasoning),
            "confidence": values.number(confidence),
        }
        self._here("decision_made", body)
        return decision

    def error(self, kind: str, message: object = None, *, tool_call_id: str | None = None) -> RaisedError:
        """Something failed; say with `recovery` what was done about it."""
        error = RaisedError(self._inner(), new_span_id())
        body = {
            "error_id": error.error_id,
            "error_kind": self._values.required_text(kind),
            "message": self._values.text(message),
            "tool_call_id": self._values.text(tool_call_id),
        }
        self._here("error_raised", body)
        return error

    def state(
        self, *, current_step: str | None = None, progress_percentage: float | None = None, variables: object = None
    ) -> None:
        """The execution state changed. `progress_percentage` from 0 to 100."""
        body = {
            "current_step": self._values.text(current_step),
            "progress_percentage": self._values.number(progress_percentage),
            "variables_json": self._values.json(variables),
        }
        self._here("state_changed", body)

    def user_message(self, content: object, *, name: str | None = None) -> None:
        """A person (or a simulated one) spoke."""
        self._here("user_message", {"content": self._values.text(content), "name": self._values.text(name)})

    def feedback(
        self,
        *,
        rating: float | None = None,
        human_validated: bool | None = None,
        correction: object = None,
        comment: str | None = None,
        target_span_id: str | None = None,
    ) -> None:
        """A person judged the run, or the span `target_span_id`. `rating` from 0 to 1."""
        body = {
            "rating": self._values.number(rating),
            "human_validated": self._values.flag(human_validated),
            "correction": self._values.text(correction),
            "comment": self._values.text(comment),
            "target_span_id": self._values.text(target_span_id),
        }
        self._here("feedback_given", body)
