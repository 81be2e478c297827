"""Secrets: keys, tokens, passwords. What has a fixed prefix or stands beside a telling word."""

import re

from streams.core.redact.checks import secret, token
from streams.core.redact.rule import Rule

SECRET_RULES: tuple[Rule, ...] = (
    Rule("PRIVATE_KEY", "-----BEGIN", re.compile(
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY-----"
        r"(?:[A-Za-z0-9+/=\\\s:,.]|-(?!----)){0,20000}(?:-----END [A-Z0-9 ]{0,60}PRIVATE KEY-----)?"
    )),
    Rule("TOKEN", r"eyJ[A-Za-z0-9_-]{8}", re.compile(
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    )),
    Rule("API_KEY", r"(?:sk|rk)[-_][a-z0-9_-]{16}|gh[pousr]_|github_pat_|glpat-|A[KSBC][IC]A[A-Z0-9]{12}|AIza|ya29\."
         r"|xox[abeoprs]-|xapp-|hf_|npm_|pypi-|SG\.|dop_v1_|shpat_|sq0csp-|key-[a-f0-9]{16}|AGE-SECRET", re.compile(
        r"(?<![A-Za-z0-9])("
        r"sk-[A-Za-z0-9_-]{20,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|rk_(?:live|test)_[A-Za-z0-9]{16,}"
        r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}"
        r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}"
        r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
        r"|pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|dop_v1_[a-f0-9]{64}"
        r"|shpat_[a-fA-F0-9]{32}|sq0csp-[A-Za-z0-9_-]{43}|key-[a-f0-9]{32}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
        r")(?![A-Za-z0-9])"
    ), lambda text: any(char.isdigit() for char in text)),
    Rule("TOKEN", "authorization", re.compile(
        r"(?i)\bauthorization[\"'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,3}"
        r"(?:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})"
    )),
    Rule("TOKEN", r"(?:bearer|basic|token)[ \t]{1,8}[A-Za-z0-9._~+/=-]{20}", re.compile(
        r"(?i)\b(?:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{20,})"
    ), token),
    Rule("SECRET", r"(?:passw(?:or)?d|pwd|secret|key|token)[\"'\\]{0,3}[ \t]{0,8}[:=]", re.compile(
        r"(?i)(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token)"
        r"[\"'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,3}([^\s\"'\\,;}{)(\[\]<>$]{8,256}+)(?![(\[])"
    ), secret),
    Rule("SECRET", r"(?:password|passphrase|passcode) (?:is|was)", re.compile(
        r"(?i)\b(?:password|passphrase|passcode) (?:is|was)(?: now| set to)?[: ]{1,3}[\"'`]?"
        r"([^\s\"'`,;]{6,128}?)[\"'`]?(?=[.,;!?]?(?:\s|$))"
    ), secret),
    Rule("URL_CREDENTIALS", r"://[^\s/@]{0,128}:", re.compile(
        r"://([^\s/:@\"'<>]{1,128}:[^\s/@\"'<>]{1,256})@"
    ), lambda text: not text.startswith("[")),
)  # fmt: skip
