"""All rules, the strongest first: where two findings overlap, the rule listed first wins."""

from streams.core.redact.rule import Rule
from streams.core.redact.rules_organization import ORGANIZATION_RULES
from streams.core.redact.rules_personal import ID_RULES, LIFE_RULES
from streams.core.redact.rules_place import PLACE_RULES
from streams.core.redact.rules_secret import SECRET_RULES

RULES_VERSION = "2026.11.6"

RULES: tuple[Rule, ...] = (*SECRET_RULES, *ID_RULES, *LIFE_RULES, *PLACE_RULES, *ORGANIZATION_RULES)
