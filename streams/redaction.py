"""Build the redactor that a policy file asks for: reads the file, loads the detectors."""

import logging
from pathlib import Path

from schemas.errors import UsageError
from schemas.settings import Settings
from streams.core.redact.policy import RedactionPolicy, parse_redaction_policy
from streams.core.redact.ports import Recognizer, SecretScanner
from streams.core.redact.prefilter import ENGINE
from streams.core.redact.redactor import Redactor

DEFAULT_REDACTION = Path(__file__).parent.parent / "ops" / "policies" / "redaction.toml"
_log = logging.getLogger("tdc")


def redactor_of(settings: Settings) -> Redactor:
    """The redactor of the settings. Raises UsageError that says what is wrong or missing."""
    return build_redactor(load_redaction_policy(settings.redaction or DEFAULT_REDACTION))


def load_redaction_policy(path: Path) -> RedactionPolicy:
    """The policy of a file, read once at start-up. Raises UsageError that says what is wrong, and where."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"cannot read the redaction policy {path}: {detail}; set TDC_REDACTION to a readable TOML file"
        ) from None
    return parse_redaction_policy(text, str(path))


def build_redactor(policy: RedactionPolicy) -> Redactor:
    """A redactor with the detectors of a policy. Raises UsageError when one that is required cannot be loaded."""
    if ENGINE == "re":
        _log.warning("hyperscan cannot be imported: redaction looks for each rule alone, many times slower")
    return Redactor(policy, _recognizer(policy), _secrets(policy))


def _recognizer(policy: RedactionPolicy) -> Recognizer | None:
    rules = policy.ner
    if rules.use == "off":
        return None
    try:
        if rules.backend == "presidio":
            from streams.detectors.presidio import PresidioRecognizer

            return PresidioRecognizer(rules.min_score)
        from streams.detectors.ner import RampartRecognizer

        return RampartRecognizer(rules.min_score)
    except UsageError as error:
        if rules.use == "required" or rules.backend == "presidio":
            raise
        _log.warning("names in free text are found by rules alone: %s", error)
        return None


def _secrets(policy: RedactionPolicy) -> SecretScanner | None:
    if policy.secrets.catalogue == "off":
        return None
    from streams.detectors.leaks import LeakScanner

    return LeakScanner()
